import { expect, test } from 'vitest';
import { family, happened } from './format';

test('an event happened when it was recorded, not when a copy of the log took it', () => {
  const time = '2026-11-24T10:00:00Z';
  expect(happened({ time, metadata: { recorded_at: '2026-11-23T10:00:00Z' } })).toBe('2026-11-23T10:00:00Z');
  expect(happened({ time, metadata: {} })).toBe(time);
  expect(happened({ time, metadata: null })).toBe(time);
});

test('every type has a family with a colour', () => {
  const types = ['task.added.v1', 'item.added.v1', 'feedback.given.v1', 'thread.created.v1', 'turn.cancel_requested.v1', 'model.called.v1', 'tool.called.v1', 'effect.voided.v1', 'audit.read.v1', 'projection.changed.v1', 'node.alive.v1'];
  expect(types.map(family)).toEqual(['task', 'item', 'item', 'thread', 'turn', 'tool', 'tool', 'task', 'audit', 'audit', 'audit']);
});
