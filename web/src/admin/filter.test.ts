import { expect, test } from 'vitest';
import { presets, readTyped, types } from './filter';

test.each([
  ['user:alice', { field: 'user', value: 'alice' }],
  ['alice', { field: 'user', value: 'alice' }],
  ['thr_1', { field: 'thread', value: 'thr_1' }],
  ['user-auth0%7C5', { field: 'stream', value: 'user-auth0%7C5' }],
  ['task.completed', { field: 'type', value: 'task.completed.v1' }],
  ['type:future.thing.v9', { field: 'type', value: 'future.thing.v9' }],
  ['4711', { field: 'from', value: '4711' }],
  ['4711/4708', { field: 'from', value: '4711/4708' }],
  ['to:4711/4708', { field: 'to', value: '4711/4708' }],
  ['node-srv_1', { field: 'stream', value: 'node-srv_1' }],
  ['resp_68', { trace: 'resp_68' }],
  ['since:2026-11-23T10:00:00Z', { field: 'since', value: '2026-11-23T10:00:00.000Z' }],
  ['req_1', { trace: 'req_1' }],
  ['0a4aa0b6-0755-5108-a259-4fbc1b8fc09c', { trace: '0a4aa0b6-0755-5108-a259-4fbc1b8fc09c' }],
])('%s', (typed, meant) => expect(readTyped(typed)).toEqual(meant));

test.each(['nonsense:1', 'from:abc', 'since:yesterdayish', 'two words'])('%s is not understood, and it says why', (typed) =>
  expect(readTyped(typed)).toHaveProperty('problem'),
);

test('every event of the server is known, and asked for by something', () => {
  const golden = Object.keys(import.meta.glob('../../../events/testdata/golden/*.json')).map((path) => path.replace(/^.*\/|\.json$/g, ''));
  expect([...types].sort()).toEqual(golden.filter((name) => name !== 'metadata').sort());
  expect(types.filter((type) => !presets.some(({ of }) => of.includes(type)))).toEqual(['feedback.given.v1']);
});
