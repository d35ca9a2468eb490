// The states of the projections, live, and what an operator does with them.
import { batch, signal } from '@preact/signals';
import type { ServerEvent } from '../shared/sse';
import { toast } from '../shared/toast';
import { act, watchProjections, type Action, type Projection } from './api';
import { follow } from '../shared/follow';
import { explain } from './follow';

export const projections = signal<readonly Projection[]>([]);
export const state = signal<'loading' | 'ready' | 'failed'>('loading');
export const problem = signal('');

let following: AbortController | undefined;

export function watch(): () => void {
  following?.abort();
  const mine = (following = new AbortController());
  if (state.value === 'failed') state.value = 'loading';
  void follow({
    who: 'projections',
    open: watchProjections,
    take,
    failed: (err) =>
      batch(() => {
        problem.value = explain(err);
        state.value = 'failed';
      }),
    signal: mine.signal,
  });
  return () => mine.abort();
}

function take(events: ServerEvent[]): void {
  for (const { event, data } of events) {
    const body = JSON.parse(data) as { data?: Projection[]; error?: { message?: string } };
    batch(() => {
      // An error is not the end: the states come again when they are known again.
      problem.value = event === 'error' ? (body.error?.message ?? 'The states are not known.') : '';
      if (event !== 'states') return;
      projections.value = body.data ?? [];
      state.value = 'ready';
    });
  }
}

/** Whether a rebuild is under way. */
export const rebuilding = (p: Projection) => p.rebuild !== undefined && !['done', 'failed', 'canceled'].includes(p.rebuild.phase);

export interface Order {
  label: string;
  action: Action;
  name: string;
  /** What will happen, before it does. */
  says: string;
  body?: object;
  danger?: boolean;
}

/** What can be done with a projection as it is now. */
export function ordersFor(p: Projection): Order[] {
  const { name } = p;
  const orders: Order[] = [];
  const add = (action: Action, label: string, says: string, more: Partial<Order> = {}) => orders.push({ action, label, name, says, ...more });
  if (rebuilding(p)) {
    if (p.rebuild!.paused) add('resume', 'Resume rebuild', `The rebuild of ${name} goes on where it was halted.`);
    else add('pause', 'Pause rebuild', `The rebuild of ${name} halts and keeps what it has built. The tables that serve are not touched, and go on following the log.`);
    add('cancel', 'Cancel rebuild', 'The rebuild stops, and everything that it has built is dropped: of every projection that is part of it. The tables that serve are not touched.', { danger: true });
    return orders;
  }
  if (p.failure?.position) {
    add('retry', 'Retry', `${name} tries the event at position ${p.failure.position} again, and goes on from there if it succeeds.`);
    add('skip', 'Skip the event', `${name} goes on as if the event at position ${p.failure.position} (${p.failure.type ?? 'of an unknown type'}) had not been there. What it says is missing from this read model until a rebuild. This is written to the audit log.`, {
      danger: true,
      body: { position: p.failure.position },
    });
  } else if (p.state === 'failed') add('retry', 'Retry', `${name} goes on from position ${p.position}.`);
  if (p.state === 'paused') add('resume', 'Resume', `${name} follows the log again, from position ${p.position} on.`);
  else if (p.state === 'running') add('pause', 'Pause', `${name} stops following the log: readers see the state of now until it is resumed. Writes go on.`);
  if (p.state !== 'rebuilding') {
    add('rebuild', 'Rebuild', `New tables of ${name} are built from the whole log beside the ones that serve. They are compared, and then swapped in one transaction: readers notice nothing. The old tables are kept for a rollback.`);
    if (p.previous !== undefined)
      add('rollback', 'Roll back', `The tables from before the last rebuild (generation ${p.previous}) catch up with the log and then serve again, instead of generation ${p.generation}.`, { danger: true });
  }
  return orders;
}

export const rebuildAll: Order = {
  action: 'rebuild',
  label: 'Rebuild all',
  name: 'all',
  says: 'New tables of every projection are built from the whole log beside the ones that serve. They are compared, and then swapped in one transaction: readers notice nothing. This takes a while and slows live turns a little.',
};

/** Does it, and says how that went. */
export async function give({ action, name, body, label }: Order): Promise<void> {
  try {
    await act(name, action, body);
    toast(action === 'rebuild' ? `The rebuild of ${name === 'all' ? 'all projections' : name} has begun.` : `${label}: done for ${name}.`);
  } catch (err) {
    toast(`${label} was refused. ${explain(err)}`, { tone: 'danger', ms: 10_000 });
  }
}
