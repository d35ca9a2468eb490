// The part of the log that is shown: pages of it, newest first, and behind its
// head what happens meanwhile.
import { batch, signal } from '@preact/signals';
import { ApiError } from '../shared/http';
import type { ServerEvent } from '../shared/sse';
import { listEvents, watchEvents, type EventView, type Position } from './api';
import { filterOf } from './filter';
import { follow } from '../shared/follow';
import { explain } from './follow';

/** As many events as the page holds; the oldest go first. */
export const most = 100_000;
const firstPage = 200;
const nextPage = 1000; // the most that the server gives at once
const flushEvery = 100; // ms

export const events = signal<readonly EventView[]>([]);
export const state = signal<'loading' | 'ready' | 'failed'>('loading');
export const problem = signal('');
export const hasMore = signal(false);
export const moreProblem = signal('');
export const paused = signal(false);
/** Why nothing new comes, when the server has refused to tell; '' otherwise. */
export const followProblem = signal('');

let filter = new URLSearchParams();
let newest: Position = '0';
let loading: AbortController | undefined;
let following: AbortController | undefined;
let fetchingMore = false;
let waiting: EventView[] = [];
let flushing: ReturnType<typeof setTimeout> | undefined;

/** Shows what a query selects, from its newest event on. */
export async function show(query: URLSearchParams): Promise<void> {
  leave();
  filter = filterOf(query);
  loading = new AbortController();
  const { signal } = loading;
  batch(() => {
    state.value = 'loading';
    events.value = [];
    hasMore.value = false;
    moreProblem.value = '';
  });
  try {
    const page = await listEvents(paged(firstPage), signal);
    if (signal.aborted) return;
    newest = page.head;
    batch(() => {
      events.value = page.data;
      hasMore.value = page.has_more;
      state.value = 'ready';
    });
    if (!paused.value) resume();
  } catch (err) {
    if (signal.aborted) return;
    batch(() => {
      problem.value = explain(err);
      state.value = 'failed';
    });
  }
}

/** Stops everything that is under way. What is shown stays. */
export function leave(): void {
  loading?.abort();
  halt();
}

export function pauseOrResume(): void {
  paused.value = !paused.value;
  if (paused.value) halt();
  else if (state.value === 'ready') resume();
}

/** Whether the filter has an end: the live log has none. */
export const bounded = (query: URLSearchParams) => query.has('to') || query.has('until');

export async function more(): Promise<void> {
  const last = events.value.at(-1);
  if (!last || !hasMore.value || fetchingMore || events.value.length >= most) return;
  const { signal } = loading!;
  fetchingMore = true;
  moreProblem.value = '';
  try {
    const query = paged(nextPage);
    query.set('after', last.position);
    const page = await listEvents(query, signal);
    batch(() => {
      events.value = [...events.value, ...page.data];
      hasMore.value = page.has_more;
    });
  } catch (err) {
    if (!signal.aborted) moreProblem.value = explain(err);
  } finally {
    fetchingMore = false;
  }
}

/** The event at a position, which may be one that is not shown. */
export async function eventAt(position: Position, signal: AbortSignal): Promise<EventView> {
  const have = events.value.find((event) => event.position === position);
  if (have) return have;
  const page = await listEvents(new URLSearchParams({ from: position, to: position, limit: '1' }), signal);
  if (!page.data[0]) throw new ApiError(404, 'not_found', `There is no event at position ${position}.`);
  return page.data[0];
}

function paged(limit: number): URLSearchParams {
  const query = new URLSearchParams(filter);
  query.set('order', 'desc');
  query.set('limit', String(limit));
  return query;
}

function resume(): void {
  if (bounded(filter)) return;
  followProblem.value = '';
  following = new AbortController();
  const query = new URLSearchParams(filter);
  query.delete('from'); // what was seen is further than that
  void follow({
    who: 'log',
    open: (signal) => watchEvents(query, newest, signal),
    take,
    failed: (err) => void (followProblem.value = explain(err)),
    signal: following.signal,
  });
}

function halt(): void {
  following?.abort();
  following = undefined;
  clearTimeout(flushing);
  flush();
}

// Events come by the thousand when something is imported: the list is drawn
// anew ten times a second and not for each.
function take(pieces: ServerEvent[]): void {
  for (const piece of pieces) {
    if (piece.id) newest = piece.id;
    if (piece.event === 'event') waiting.push(JSON.parse(piece.data) as EventView);
  }
  flushing ??= setTimeout(flush, flushEvery);
}

function flush(): void {
  flushing = undefined;
  if (waiting.length === 0) return;
  const fresh = waiting.reverse();
  waiting = [];
  const all = [...fresh, ...events.value];
  batch(() => {
    if (all.length > most) hasMore.value = true;
    events.value = all.slice(0, most);
  });
}
