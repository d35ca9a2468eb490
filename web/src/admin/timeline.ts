// A part of the history of one stream: its steps, and the state after each of them.
//
// The server tells what each step changed, and the states are put together from
// that and from the state before the first step: moving within the part asks
// nothing of the server, and so leaves no trail of reads in the audit log.
import type { Replay, Step } from './api';

export type Part = Record<string, unknown> & { id?: string };
/** The parts of a state by their id, in their order; a thread itself is "thread". */
export type State = ReadonlyMap<string, Part>;

const every = 256; // a state is kept for each so many steps

export class Timeline {
  readonly steps: Step[] = [];
  private readonly kept: State[];
  private readonly end: Map<string, Part>;

  /** base is the state before the first step. */
  constructor(steps: readonly Step[], base: State = new Map()) {
    this.kept = [base];
    this.end = new Map(base);
    this.extend(steps);
  }

  /** Adds what has happened behind the last step. */
  extend(steps: readonly Step[]): void {
    for (const step of steps) {
      apply(this.end, step);
      this.steps.push(step);
      if (this.steps.length % every === 0) this.kept.push(new Map(this.end));
    }
  }

  /** The state after step i; -1 is before the first. */
  at(i: number): State {
    const from = Math.floor((i + 1) / every);
    const state = new Map(this.kept[from]);
    for (let n = from * every; n <= i; n++) apply(state, this.steps[n]!);
    return state;
  }

  /** Where a revision is, or the last one before it. */
  find(revision: number): number {
    return this.steps.findLastIndex((step) => step.event.revision <= revision);
  }
}

/** The state that the server has folded, as the steps go on from it. */
export function stateOf({ tasks, thread, items }: Replay): State {
  const state = new Map<string, Part>();
  if (thread) state.set('thread', { ...thread });
  for (const task of tasks?.toReversed() ?? []) state.set(task.id, { ...task }); // they come newest first
  for (const item of items ?? []) state.set(item.id, item);
  return state;
}

function apply(state: Map<string, Part>, { subject, before, after }: Step): void {
  if (after === null || after === undefined) {
    // Nothing of it is left, or (of an event that changes nothing) there was nothing.
    if (before === null || before === undefined) return;
    if (subject === 'thread') state.clear();
    else state.delete(subject);
    return;
  }
  const part = { ...state.get(subject) };
  for (const field of Object.keys((before as Part | null) ?? {})) delete part[field];
  state.set(subject, Object.assign(part, after));
}

/** Whether a state that was put together from steps is the one that the server has. */
export function agrees(state: State, replay: Replay): boolean {
  const parts = replay.tasks ?? replay.items ?? [];
  const own = [...state.keys()].filter((id) => id !== 'thread');
  return own.length === parts.length && parts.every((part) => state.has(part.id));
}

export interface Change {
  field: string;
  before?: unknown;
  after?: unknown;
}

/** What differs between two values, field by field. */
export function changes(before: unknown, after: unknown): Change[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const list: Change[] = [];
  for (const field of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (JSON.stringify(old[field]) === JSON.stringify(now[field])) continue;
    list.push({ field, ...(field in old && { before: old[field] }), ...(field in now && { after: now[field] }) });
  }
  return list;
}

const fieldsOf = (value: unknown): Record<string, unknown> =>
  value === null || value === undefined ? {} : typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : { value };
