import { afterEach, expect, test, vi } from 'vitest';
import type { Replay, Step } from './api';
import { span, StreamHistory } from './history';
import { Timeline } from './timeline';

// A server with a list of seven tasks that change all the time.
const server = { steps: [] as Step[], asked: [] as string[], failing: false, tell: (_id: string) => {} };

const grow = (n: number) => {
  for (let i = 0; i < n; i++) {
    const revision = server.steps.length;
    const [id, before] = [`t${revision % 7}`, revision < 7 ? null : { id: `t${revision % 7}`, n: revision - 7 }];
    server.steps.push({ event: { revision, position: String(revision + 1), type: 't' }, subject: id, before, after: { id, n: revision } } as unknown as Step);
  }
};

vi.mock('./api', () => ({
  replay: async (query: URLSearchParams): Promise<Replay> => {
    server.asked.push(query.toString());
    if (server.failing) throw new Error('away');
    const end = Number(query.get('revision') ?? server.steps.length - 1);
    const state = [...new Timeline(server.steps.slice(0, end + 1)).at(end).values()].reverse();
    if (query.get('steps') !== 'true') return { stream: 's', revision: end, position: String(end + 1), tasks: state as never };
    const from = Number(query.get('after') ?? -1) + 1;
    const steps = server.steps.slice(from, Math.min(end + 1, from + Number(query.get('limit'))));
    return { stream: 's', position: '0', steps, has_more: from + steps.length <= end };
  },
  watchEvents: async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (c) => void (server.tell = (id) => c.enqueue(new TextEncoder().encode(`id: ${id}\nevent: event\ndata: {}\n\n`))),
    });
    return new Response(stream);
  },
}));

const looking = new AbortController();
afterEach(() => Object.assign(server, { steps: [], asked: [], failing: false }));

async function begin(n: number) {
  grow(n);
  const changed = vi.fn();
  const history = new StreamHistory('user-a', { user: 'a' }, changed, looking.signal);
  await history.open();
  return { history, changed };
}

test('any part is read when it is wanted, and its states are those of the whole', async () => {
  const { history } = await begin(3 * span + 20);
  const whole = new Timeline(server.steps);
  expect(history.last).toBe(3 * span + 19);
  expect(history.part(history.last)).toBeUndefined();
  for (const at of [history.last, 2 * span, 10, span, 2 * span - 1, 3 * span]) {
    await history.want(at);
    const part = history.part(at)!;
    const i = part.find(at);
    expect(part.steps[i]!.event.revision).toBe(at);
    expect(part.steps.length).toBeLessThanOrEqual(span);
    expect(new Map(part.at(i))).toEqual(new Map(whole.at(at)));
  }
  expect([...history.known()].map((step) => step.event.revision)).toEqual(server.steps.map((_, i) => i));
  expect(history.doubtful).toBe(false);
  const asked = server.asked.length;
  await history.want(2 * span + 3); // it is there
  expect(server.asked.length).toBe(asked);
});

test('parts that have not been looked at for long are forgotten', async () => {
  const { history } = await begin(12 * span);
  for (let n = 0; n < 12; n++) await history.want(n * span);
  expect(history.part(0)).toBeUndefined();
  expect(history.part(11 * span)).toBeDefined();
  expect([...history.known()].length).toBe(8 * span);
});

test('what happens is added at the end, over the border of a part too', async () => {
  const { history, changed } = await begin(span - 2);
  await history.want(history.last);
  grow(5);
  server.tell(String(server.steps.length));
  await vi.waitFor(() => expect(history.last).toBe(span + 2), 5000);
  expect(changed).toHaveBeenCalled();
  const part = history.part(span + 2)!;
  expect(new Map(part.at(part.find(span + 2)))).toEqual(new Map(new Timeline(server.steps).at(span + 2)));
  expect(history.part(span - 1)).toBeDefined();
});

test('a part that cannot be read is told, and read when it is wanted again', async () => {
  const { history } = await begin(2 * span);
  server.failing = true;
  await history.want(0);
  expect(history.problem).not.toBe('');
  server.failing = false;
  await history.want(0);
  expect(history.problem).toBe('');
  expect(history.part(0)).toBeDefined();
});

test('a state that the steps do not lead to is doubted', async () => {
  const { history } = await begin(2 * span);
  const { steps } = server;
  steps[2 * span - 2] = { ...steps[2 * span - 2]!, after: null }; // the server now says something else
  await history.want(history.last);
  expect(history.doubtful).toBe(true);
});
