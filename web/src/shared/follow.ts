// Reads a live stream of the server for as long as it is wanted, and comes back
// when it is lost.
import { Backoff, pause } from './backoff';
import { reportLost, reportReached } from './connection';
import { ApiError } from './http';
import { readEvents, type ServerEvent } from './sse';

/** Silence after which a stream is taken for dead, in ms: three heartbeats. */
export const idle = 45_000;

interface Options {
  who: string;
  open: (signal: AbortSignal) => Promise<Response>;
  take: (events: ServerEvent[]) => void;
  /** The server has refused. To return true is to ask once more, at once. */
  failed: (err: ApiError) => boolean | void;
  signal: AbortSignal;
}

export async function follow({ who, open, take, failed, signal }: Options): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    let wait = 0;
    try {
      const res = await open(signal);
      reportReached(who);
      for await (const events of readEvents(res.body!, idle)) {
        if (events.some(({ event }) => event !== 'error')) backoff.reset();
        take(events);
      }
      wait = backoff.next(); // closed in good order (the server stops, or we fell behind): come back
    } catch (err) {
      if (signal.aborted) break;
      if (err instanceof ApiError && !err.temporary && err.status < 500) {
        if (failed(err)) continue;
        break;
      }
      wait = backoff.next();
      if (err instanceof ApiError && err.retryAfter) wait = Math.max(wait, err.retryAfter * 1000);
    }
    if (wait >= 1000) reportLost(who, Date.now() + wait); // sooner than anybody could read it
    await pause(wait, signal);
  }
  reportReached(who); // or it is no longer wanted
}
