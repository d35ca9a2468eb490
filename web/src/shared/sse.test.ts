import { describe, expect, test } from 'vitest';
import { readEvents, SseParser, StreamLost, type ServerEvent } from './sse';

const wire = ': ping\r\n\r\nid: turn:1\ndata: {"a":1}\n\nevent: changed\rdata: x\rdata:y\r\rid: turn:2\n\ndata: z\n\n';
const want: ServerEvent[] = [
  { id: 'turn:1', event: 'message', data: '{"a":1}' },
  { id: 'turn:1', event: 'changed', data: 'x\ny' },
  { id: 'turn:2', event: 'message', data: 'z' },
];

describe('SseParser', () => {
  test('reads fields, comments and every kind of line end', () => {
    expect(new SseParser().push(wire)).toEqual(want);
  });

  test('does not care where the network cuts', () => {
    for (let size = 1; size < wire.length; size++) {
      const parser = new SseParser();
      const got: ServerEvent[] = [];
      for (let at = 0; at < wire.length; at += size) got.push(...parser.push(wire.slice(at, at + size)));
      expect(got, `pieces of ${size}`).toEqual(want);
    }
  });

  test('skips a byte order mark, and an event without data', () => {
    expect(new SseParser().push('\uFEFFevent: x\n\ndata: 1\n\n')).toEqual([{ id: '', event: 'message', data: '1' }]);
  });

  test('hands out comments', () => {
    const comments: string[] = [];
    new SseParser((text) => comments.push(text)).push(': ping\n\ndata: 1\n: position 7/6\n\n:\n');
    expect(comments).toEqual(['ping', 'position 7/6', '']);
  });

  test('keeps what is not complete', () => {
    const parser = new SseParser();
    expect(parser.push('data: half')).toEqual([]);
    expect(parser.push(' and half\n')).toEqual([]);
    expect(parser.push('\n')).toEqual([{ id: '', event: 'message', data: 'half and half' }]);
  });
});

describe('readEvents', () => {
  const collect = async (body: ReadableStream<Uint8Array>, idle = 1000) => {
    const got: ServerEvent[] = [];
    for await (const events of readEvents(body, idle)) got.push(...events);
    return got;
  };

  test('reads a character that is cut in two', async () => {
    const bytes = new TextEncoder().encode('data: 🥛\n\n');
    const body = new ReadableStream<Uint8Array>({
      start(c) {
        c.enqueue(bytes.slice(0, 8));
        c.enqueue(bytes.slice(8));
        c.close();
      },
    });
    expect(await collect(body)).toEqual([{ id: '', event: 'message', data: '🥛' }]);
  });

  test('tells a broken stream from a finished one', async () => {
    const body = new ReadableStream<Uint8Array>({ start: (c) => c.error(new TypeError('network')) });
    await expect(collect(body)).rejects.toBeInstanceOf(StreamLost);
  });

  test('takes silence for a lost connection', async () => {
    await expect(collect(new ReadableStream<Uint8Array>({}), 20)).rejects.toBeInstanceOf(StreamLost);
  });
});
