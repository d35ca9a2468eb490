// The history of one stream: every step, and the state after each of them.
//
// The server tells what each step changed, and the states are put together from
// that: moving through time asks nothing of the server, and so leaves no trail
// of reads in the audit log. The last state is compared with the one that the
// server has folded itself.
import type { Replay, Step } from './api';

export type Part = Record<string, unknown> & { id?: string };
/** The parts of a state by their id, in their order; a thread itself is "thread". */
export type State = ReadonlyMap<string, Part>;

const every = 256; // a state is kept for each so many steps

export class Timeline {
  readonly steps: readonly Step[];
  private readonly kept: State[] = [new Map()];

  constructor(steps: readonly Step[]) {
    this.steps = steps;
    const state = new Map<string, Part>();
    steps.forEach((step, i) => {
      apply(state, step);
      if ((i + 1) % every === 0) this.kept.push(new Map(state));
    });
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

/** Whether the steps lead to the state that came with them. */
export function agrees(timeline: Timeline, replay: Replay): boolean {
  const state = timeline.at(timeline.steps.length - 1);
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
