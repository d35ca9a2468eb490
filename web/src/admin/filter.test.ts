import { expect, test } from 'vitest';
import { readTyped } from './filter';

test.each([
  ['user:alice', { field: 'user', value: 'alice' }],
  ['alice', { field: 'user', value: 'alice' }],
  ['thr_1', { field: 'thread', value: 'thr_1' }],
  ['user-auth0%7C5', { field: 'stream', value: 'user-auth0%7C5' }],
  ['task.completed', { field: 'type', value: 'task.completed.v1' }],
  ['type:future.thing.v9', { field: 'type', value: 'future.thing.v9' }],
  ['4711', { field: 'from', value: '4711' }],
  ['since:2026-11-23T10:00:00Z', { field: 'since', value: '2026-11-23T10:00:00.000Z' }],
  ['req_1', { trace: 'req_1' }],
  ['0a4aa0b6-0755-5108-a259-4fbc1b8fc09c', { trace: '0a4aa0b6-0755-5108-a259-4fbc1b8fc09c' }],
])('%s', (typed, meant) => expect(readTyped(typed)).toEqual(meant));

test.each(['nonsense:1', 'from:abc', 'since:yesterdayish', 'two words'])('%s is not understood, and it says why', (typed) =>
  expect(readTyped(typed)).toHaveProperty('problem'),
);
