// Requests to our own server: a bearer token, how far the log was seen, one kind
// of error, and a 401 that waits for a new token instead of failing.
import { forgetPosition, position, seen } from './position';
import { renew, token } from './session';

/** The server refused. */
export class ApiError extends Error {
  override name = 'ApiError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** For whoever reads the server's log. */
    readonly requestId = '',
    /** Seconds, when the server said how long to wait. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  /** The same request may succeed later, unchanged. */
  get temporary(): boolean {
    return this.status === 429 || this.status === 503 || this.doubtful;
  }

  /** The request may have been carried out. */
  get doubtful(): boolean {
    return this.status === 502 || this.status === 504;
  }
}

/** The server was not reached, or the answer was cut off: the outcome is unknown. */
export class NetworkError extends Error {
  override name = 'NetworkError';
}

/** Sends a request and returns its answer if it is a 2xx; throws ApiError or NetworkError otherwise. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let used = await token();
  const at = position();
  let res = await send(path, init, used, at);
  if (res.status === 401) {
    used = await renew(used);
    res = await send(path, init, used, at);
  }
  if (!res.ok) {
    const err = await refusal(res);
    if (err.code !== 'unknown_position' || at === '') throw err;
    if (position() === at) forgetPosition();
    return request(path, init);
  }
  seen(res.headers.get(header));
  return res;
}

const header = 'X-ChatKitd-Position';

async function send(path: string, init: RequestInit, bearer: string, at: string): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('Authorization', `Bearer ${bearer}`);
  if (at !== '') headers.set(header, at);
  try {
    return await fetch(path, { ...init, headers, cache: 'no-store', credentials: 'omit' });
  } catch (err) {
    if (init.signal?.aborted) throw err;
    throw new NetworkError('The server cannot be reached.', { cause: err });
  }
}

async function refusal(res: Response): Promise<ApiError> {
  let code = `http_${res.status}`;
  let message = `The server answered ${res.status}.`;
  let requestId = '';
  try {
    const body = (await res.json()) as { error?: { code?: string; message?: string; request_id?: string } };
    code = body.error?.code ?? code;
    message = body.error?.message ?? message;
    requestId = body.error?.request_id ?? '';
  } catch {
    // Not one of our errors (a proxy's page, say): the status has to do.
  }
  return new ApiError(res.status, code, message, requestId, retryAfter(res.headers.get('Retry-After')));
}

/** Reads Retry-After: seconds or a date. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/** Sends JSON (when there is a body) and reads JSON. */
export async function json<T>(method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<T> {
  const headers = new Headers(init.headers);
  if (body !== undefined) headers.set('Content-Type', 'application/json');
  const res = await request(path, { ...init, method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  if (res.status === 204) return undefined as T;
  try {
    return (await res.json()) as T;
  } catch (err) {
    if (init.signal?.aborted) throw err;
    throw new NetworkError('The answer was cut off.', { cause: err });
  }
}

/** What to tell a person about an error. */
export function messageOf(err: unknown): string {
  if (err instanceof ApiError || err instanceof NetworkError) return err.message;
  console.error(err);
  return 'Something went wrong in this page.';
}
