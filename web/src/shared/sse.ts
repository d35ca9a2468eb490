// Server-sent events from a fetch response. EventSource can neither POST nor
// send an Authorization header, so the few rules of the format are here.
import { seen } from './position';

export interface ServerEvent {
  /** The last id seen, also when it came with an earlier event. */
  id: string;
  /** The event's name; "message" when none was sent. */
  event: string;
  data: string;
}

/** Turns text, cut anywhere, into events. */
export class SseParser {
  #rest = '';
  #started = false;
  #id = '';
  #event = '';
  #data: string[] = [];

  constructor(private readonly comment: (text: string) => void = () => undefined) {}

  push(chunk: string): ServerEvent[] {
    let text = this.#rest + chunk;
    if (!this.#started && text !== '') {
      this.#started = true;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    const events: ServerEvent[] = [];
    let at = 0;
    for (;;) {
      const end = lineEnd(text, at);
      if (end < 0) break;
      const event = this.#line(text.slice(at, end));
      if (event) events.push(event);
      at = end + (text[end] === '\r' && text[end + 1] === '\n' ? 2 : 1);
    }
    this.#rest = text.slice(at);
    return events;
  }

  #line(line: string): ServerEvent | undefined {
    if (line === '') {
      const event = { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') };
      const empty = this.#data.length === 0;
      this.#event = '';
      this.#data = [];
      return empty ? undefined : event;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return void this.comment(line.slice(1).trim()); // such as a heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return undefined;
  }
}

// lineEnd returns where the line from `at` ends, or -1 if more text is needed
// to know: a carriage return at the very end may be the first half of a CRLF.
function lineEnd(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    if (text[i] === '\n') return i;
    if (text[i] === '\r') return i + 1 < text.length ? i : -1;
  }
  return -1;
}

/** The stream broke off, or nothing (not even a heartbeat) came for too long. */
export class StreamLost extends Error {
  override name = 'StreamLost';
}

/**
 * Reads a stream to its end and yields what each piece of the network held.
 * Throws StreamLost when it breaks or is silent for idle milliseconds.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>, idle: number): AsyncGenerator<ServerEvent[]> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser((text) => text.startsWith('position ') && seen(text.slice(9)));
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new StreamLost('silent')), idle);
      });
      let piece: ReadableStreamReadResult<Uint8Array>;
      try {
        piece = await Promise.race([reader.read(), silence]);
      } catch (err) {
        throw err instanceof StreamLost || isAbort(err) ? err : new StreamLost('broken', { cause: err });
      } finally {
        clearTimeout(timer);
      }
      if (piece.done) return;
      const events = parser.push(decoder.decode(piece.value, { stream: true }));
      if (events.length > 0) yield events;
    }
  } finally {
    reader.cancel().catch(() => undefined); // it is over either way
  }
}

export function isAbort(err: unknown): boolean {
  return err instanceof DOMException && err.name === 'AbortError';
}
