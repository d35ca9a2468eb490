// What of the log is shown: the fields of the API's query, under their names.
import { ownerOf } from './format';

export const fields = ['user', 'thread', 'stream', 'type', 'since', 'until', 'from', 'to'] as const;
export type Field = (typeof fields)[number];

export const labels: Record<Field, string> = {
  user: 'User',
  thread: 'Thread',
  stream: 'Stream',
  type: 'Type',
  since: 'Since',
  until: 'Until',
  from: 'From position',
  to: 'To position',
};

/** The types that this version of the server writes. */
export const types = [
  'task.added.v1',
  'task.updated.v1',
  'task.completed.v1',
  'task.reopened.v1',
  'task.deleted.v1',
  'thread.created.v1',
  'thread.renamed.v1',
  'thread.status_changed.v1',
  'thread.deleted.v1',
  'item.added.v1',
  'item.replaced.v1',
  'item.removed.v1',
  'feedback.given.v1',
  'turn.started.v1',
  'turn.cancel_requested.v1',
  'turn.completed.v1',
  'turn.failed.v1',
  'turn.cancelled.v1',
  'turn.interrupted.v1',
  'model.called.v1',
  'tool.called.v1',
  'tool.returned.v1',
  'effect.voided.v1',
  'audit.read.v1',
  'projection.changed.v1',
  'node.started.v1',
  'node.alive.v1',
];

const starting = (...prefixes: string[]) => types.filter((type) => prefixes.some((prefix) => type.startsWith(prefix)));

/** What is asked for most. */
export const presets = [
  { name: 'Tasks', of: starting('task.') },
  { name: 'Conversations', of: starting('item.', 'thread.') },
  { name: 'Turns and tools', of: starting('turn.', 'model.', 'tool.') },
  { name: 'What went wrong', of: ['turn.failed.v1', 'turn.interrupted.v1', 'effect.voided.v1'] },
  { name: 'Operators', of: starting('audit.', 'projection.') },
  { name: 'Servers', of: starting('node.') },
];

/** The filter in an address, without what else is in it. */
export function filterOf(query: URLSearchParams): URLSearchParams {
  const filter = new URLSearchParams();
  for (const field of fields) for (const value of query.getAll(field)) if (value !== '') filter.append(field, value);
  return filter;
}

/** What a person typed: part of a filter, the id of something that has a trace, or nothing that is known. */
export type Typed = { field: Field; value: string } | { trace: string } | { problem: string };

/**
 * Reads "user:alice", or guesses the field from the looks of a value: a stream,
 * a type (also without its version), a position, an id.
 */
export function readTyped(text: string): Typed {
  const typed = text.trim();
  const [, name, rest] = /^([a-z]+):\s*(.+)$/is.exec(typed) ?? [];
  if (name) {
    const field = fields.find((f) => f === name.toLowerCase());
    if (!field) return { problem: `There is no filter “${name}”. There are ${fields.join(', ')}.` };
    return field === 'type' ? { field, value: fullType(rest!) ?? rest! } : checked(field, rest!);
  }
  if (ownerOf(typed) || /^(audit|node)-/.test(typed)) return { field: 'stream', value: typed };
  if (typed.startsWith('thr_')) return { field: 'thread', value: typed };
  if (/^\d+(\/\d+)?$/.test(typed)) return { field: 'from', value: typed };
  const type = fullType(typed);
  if (type) return { field: 'type', value: type };
  if (/^(req|trn|tc|msg|tsk|resp)_|^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(typed)) return { trace: typed };
  if (/^[\w.@-]+$/.test(typed)) return { field: 'user', value: typed };
  return { problem: 'Write a filter such as user:alice or type:task.completed, or the id of an event, request, turn or call.' };
}

function checked(field: Field, value: string): Typed {
  if ((field === 'from' || field === 'to') && !/^\d+(\/\d+)?$/.test(value)) return { problem: `“${value}” is not a position: a position is a number such as 4711.` };
  if (field !== 'since' && field !== 'until') return { field, value };
  const at = new Date(/^\d{1,2}:\d\d/.test(value) ? `${new Date().toDateString()} ${value}` : value);
  if (Number.isNaN(at.getTime())) return { problem: `“${value}” is not a time. Write 10:00 or 2026-11-23T10:00.` };
  return { field, value: at.toISOString() };
}

function fullType(text: string): string | undefined {
  return types.find((type) => type === text || type.replace(/\.v\d+$/, '') === text);
}
