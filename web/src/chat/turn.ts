// Reading a turn's stream to its end, however often the connection breaks.
import { Backoff, pause } from '../shared/backoff';
import { resumeTurn, type StreamEvent } from '../shared/chatkit';
import { reportLost, reportReached } from '../shared/connection';
import { idle } from '../shared/follow';
import { ApiError } from '../shared/http';
import { isAbort, readEvents } from '../shared/sse';

/**
 * Yields the events of a turn as they come, in the pieces they come in. When
 * the connection breaks it joins the turn again behind the last event seen. It
 * returns when the turn has ended, or when its thread is not known yet and so
 * cannot be joined (`thread` returns ''). It throws what joining was refused
 * with, and an AbortError when signal aborts.
 */
export async function* readTurn(first: Response, thread: () => string, signal: AbortSignal): AsyncGenerator<StreamEvent[]> {
  const backoff = new Backoff();
  let last = '';
  for (let stream: Response | undefined = first; stream; ) {
    try {
      for await (const events of readEvents(stream.body!, idle)) {
        backoff.reset();
        last = events.at(-1)!.id;
        yield events.map((event) => JSON.parse(event.data) as StreamEvent);
      }
      return;
    } catch (err) {
      signal.throwIfAborted();
      if (isAbort(err) || err instanceof SyntaxError) throw err;
    }
    if (thread() === '') return;
    stream = await patiently(() => resumeTurn(thread(), last, signal), signal, backoff);
  }
}

/**
 * Calls fn until the server is reached and does not refuse for now. It tells
 * the line at the top while it waits.
 */
export async function patiently<T>(fn: () => Promise<T>, signal: AbortSignal, backoff = new Backoff()): Promise<T> {
  for (;;) {
    const wait = backoff.next();
    reportLost('chat', Date.now() + wait);
    await pause(wait, signal);
    signal.throwIfAborted();
    try {
      const result = await fn();
      reportReached('chat');
      return result;
    } catch (err) {
      signal.throwIfAborted();
      if (err instanceof ApiError && !err.temporary && err.status < 500) {
        reportReached('chat');
        throw err;
      }
    }
  }
}
