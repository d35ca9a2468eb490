// What the operator is told when the server refuses.
import { ApiError, messageOf } from '../shared/http';
import { signal } from '@preact/signals';

/** Why the token is not enough; '' when it is. */
export const forbidden = signal('');

/** What to tell the operator; a missing role is told by the whole page. */
export function explain(err: unknown): string {
  const message = messageOf(err);
  if (err instanceof ApiError) {
    if (err.status === 403) forbidden.value = message;
    if (err.requestId && err.status >= 500) return `${message} (request ${err.requestId})`;
  }
  return message;
}
