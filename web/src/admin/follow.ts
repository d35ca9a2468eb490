// Reads a live stream of the server for as long as it is wanted, and comes back
// when it is lost.
import { signal } from '@preact/signals';
import { Backoff, pause } from '../shared/backoff';
import { reportLost, reportReached } from '../shared/connection';
import { ApiError, messageOf } from '../shared/http';
import { readEvents, type ServerEvent } from '../shared/sse';

/** Why the token is not enough; '' when it is. */
export const forbidden = signal('');

const idle = 45_000; // three heartbeats

interface Options {
  who: string;
  open: (signal: AbortSignal) => Promise<Response>;
  take: (events: ServerEvent[]) => void;
  /** It will not go on: the server has refused. */
  failed: (message: string) => void;
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
      wait = backoff.next(); // closed in good order: come back
    } catch (err) {
      if (signal.aborted) break;
      if (err instanceof ApiError && !err.temporary && err.status < 500) {
        failed(explain(err));
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

/** What to tell the operator; a missing role is told by the whole page. */
export function explain(err: unknown): string {
  const message = messageOf(err);
  if (err instanceof ApiError) {
    if (err.status === 403) forbidden.value = message;
    if (err.requestId && err.status >= 500) return `${message} (request ${err.requestId})`;
  }
  return message;
}
