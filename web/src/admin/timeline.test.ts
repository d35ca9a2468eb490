import { expect, test } from 'vitest';
import type { Step } from './api';
import { agrees, changes, stateOf, Timeline } from './timeline';

const step = (revision: number, subject: string, before: unknown, after: unknown) =>
  ({ event: { revision, type: 't' }, subject, before, after }) as Step;

const milk = { id: 'a', title: 'milk', due_at: 'x' };
const history = [
  step(0, 'a', null, milk),
  step(1, 'b', null, { id: 'b', title: 'Anna' }),
  step(2, 'a', milk, { id: 'a', title: 'oat milk' }),
  step(3, '', null, null),
  step(4, 'b', { id: 'b', title: 'Anna' }, null),
];

test('each state is what the steps have changed up to then', () => {
  const timeline = new Timeline(history);
  expect([...timeline.at(-1)]).toEqual([]);
  expect([...timeline.at(1).keys()]).toEqual(['a', 'b']);
  expect(timeline.at(1).get('a')).toEqual(milk);
  expect(timeline.at(2).get('a')).toEqual({ id: 'a', title: 'oat milk' }); // what is cleared is gone
  expect([...timeline.at(4).keys()]).toEqual(['a']);
  expect(timeline.at(0).get('a')).toEqual(milk); // and going back does not remember
  expect(timeline.find(3)).toBe(3);
});

test('a long history gives the same states from its marks', () => {
  const steps = Array.from({ length: 1000 }, (_, i) => step(i, `t${i % 7}`, i < 7 ? null : { n: i - 7 }, { n: i }));
  const timeline = new Timeline(steps);
  for (const at of [0, 254, 255, 256, 511, 512, 999]) {
    expect([...timeline.at(at).values()].map((part) => part['n'] as number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: Math.min(7, at + 1) }, (_, i) => at - Math.min(6, at) + i),
    );
  }
});

test('the last state is held against the server’s', () => {
  const timeline = new Timeline(history);
  const state = (...ids: string[]) => ({ stream: 's', position: '5', tasks: ids.map((id) => ({ id })) }) as never;
  const end = timeline.at(history.length - 1);
  expect(agrees(end, state('a'))).toBe(true);
  expect(agrees(end, state('b'))).toBe(false);
  expect(agrees(end, state('a', 'b'))).toBe(false);
});

test('a part goes on from the state before it, and with what comes', () => {
  const whole = new Timeline(history);
  const base = stateOf({ stream: 's', position: '2', tasks: [{ id: 'b', title: 'Anna' }, milk] } as never);
  expect([...base.keys()]).toEqual(['a', 'b']);
  const part = new Timeline(history.slice(2, 3), base);
  part.extend(history.slice(3));
  for (const i of [-1, 0, 1, 2]) expect([...part.at(i)]).toEqual([...whole.at(i + 2)]);
  expect(part.find(3)).toBe(1);
});

test('a deleted thread has nothing left', () => {
  const thread = { id: 'thr_1', title: 't' };
  const timeline = new Timeline([step(0, 'thread', null, thread), step(1, 'm', null, { id: 'm' }), step(2, 'thread', thread, null)]);
  expect(timeline.at(2).size).toBe(0);
});

test('changes are told by field', () => {
  expect(changes(milk, { id: 'a', title: 'oat milk' })).toEqual([
    { field: 'title', before: 'milk', after: 'oat milk' },
    { field: 'due_at', before: 'x' },
  ]);
  expect(changes(null, { id: 'a' })).toEqual([{ field: 'id', after: 'a' }]);
  expect(changes(milk, { ...milk })).toEqual([]);
});
