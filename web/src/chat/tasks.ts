// The person's tasks as the page shows them: what the server said, with the
// changes on top that it has not answered yet.
import { batch, computed, signal } from '@preact/signals';
import { Backoff, pause } from '../shared/backoff';
import { follow as followStream } from '../shared/follow';
import { ApiError, messageOf, NetworkError } from '../shared/http';
import { seen } from '../shared/position';
import {
  addTask,
  listTasks,
  patchTask,
  removeTask,
  watchTasks,
  type Task,
  type TaskPage,
  type TaskPatch,
} from '../shared/tasks';
import { deferred, toast } from '../shared/toast';

const confirmed = signal<ReadonlyMap<string, Task>>(new Map());

interface Overlay {
  /** Set for a task that the server does not have yet. */
  task?: Task;
  patch: Partial<Task>;
}
const overlays = signal<ReadonlyMap<number, { id: string } & Overlay>>(new Map());
const hidden = signal<ReadonlySet<string>>(new Set());
let nextOverlay = 1;

export const tasksState = signal<'loading' | 'ready' | 'failed'>('loading');
export const tasksError = signal('');

/** All tasks by id, in no order. */
export const tasks = computed<ReadonlyMap<string, Task>>(() => {
  if (overlays.value.size === 0 && hidden.value.size === 0) return confirmed.value;
  const all = new Map(confirmed.value);
  for (const { id, task, patch } of overlays.value.values()) {
    const base = task ?? all.get(id);
    if (base) all.set(id, { ...base, ...patch });
  }
  for (const id of hidden.value) all.delete(id);
  return all;
});

let following: AbortController | undefined;

/** Follows the list for as long as the page lives. */
export function followTasks(): void {
  following?.abort();
  following = new AbortController();
  void follow(following.signal);
}

/** Forgets everything: another person is here. */
export function resetTasks(): void {
  batch(() => {
    confirmed.value = new Map();
    overlays.value = new Map();
    hidden.value = new Set();
    tasksState.value = 'loading';
  });
  followTasks();
}

function follow(signal: AbortSignal): Promise<void> {
  let last = '';
  return followStream({
    who: 'tasks',
    signal,
    open: () => watchTasks(last, signal),
    take: (events) =>
      batch(() => {
        for (const event of events) {
          take(event.event, event.data, signal);
          if (event.id) seen((last = event.id)); // a position
        }
      }),
    failed: (err) => {
      if (last !== '') {
        last = ''; // it no longer knows what we saw: start from a new list
        return true;
      }
      tasksError.value = messageOf(err);
      tasksState.value = 'failed';
    },
  });
}

function take(event: string, data: string, signal: AbortSignal): void {
  if (event === 'snapshot') {
    const page = JSON.parse(data) as TaskPage;
    confirmed.value = new Map(page.data.map((task) => [task.id, task]));
    tasksState.value = 'ready';
    if (page.has_more && page.after) void loadRest(page.after, signal);
  } else if (event === 'changed') {
    put(JSON.parse(data) as Task);
  } else if (event === 'removed') {
    drop((JSON.parse(data) as { id: string }).id);
  }
}

// loadRest takes the pages behind the first. What the stream has told
// meanwhile is newer than they are.
async function loadRest(after: string, signal: AbortSignal): Promise<void> {
  try {
    for (let from: string | undefined = after; from && !signal.aborted; ) {
      const page: TaskPage = await listTasks(100, from);
      if (signal.aborted) return;
      const all = new Map(confirmed.value);
      for (const task of page.data) {
        const have = all.get(task.id);
        if (!gone.has(task.id) && (!have || Date.parse(have.updated_at) < Date.parse(task.updated_at))) all.set(task.id, task);
      }
      confirmed.value = all;
      from = page.has_more ? page.after : undefined;
    }
  } catch (err) {
    if (signal.aborted) return;
    toast(`Not all tasks could be loaded. ${messageOf(err)}`, { tone: 'danger', action: { label: 'Retry', run: followTasks } });
  }
}

// gone are tasks that were removed; a page read before must not bring them back.
const gone = new Set<string>();

function put(task: Task): void {
  // The answer to our own addition may come by the stream first.
  const made = [...overlays.value].find(([, o]) => o.task && o.task.title === task.title && !confirmed.value.has(task.id));
  if (made) lift(made[0]);
  gone.delete(task.id);
  confirmed.value = new Map(confirmed.value).set(task.id, task);
}

function drop(id: string): void {
  gone.add(id);
  if (!confirmed.value.has(id)) return;
  const rest = new Map(confirmed.value);
  rest.delete(id);
  confirmed.value = rest;
}

function lay(id: string, overlay: Overlay): number {
  const n = nextOverlay++;
  overlays.value = new Map(overlays.value).set(n, { id, ...overlay });
  return n;
}

function lift(n: number): void {
  if (!overlays.value.has(n)) return;
  const rest = new Map(overlays.value);
  rest.delete(n);
  overlays.value = rest;
}

/** Adds a task; it shows at once. */
export async function add(title: string): Promise<void> {
  const trimmed = title.trim();
  if (trimmed === '') return;
  const now = new Date().toISOString();
  const id = `new_${nextOverlay}`;
  const task: Task = { id, title: trimmed, status: 'pending', completed: false, created_at: now, updated_at: now };
  const n = lay(id, { task, patch: {} });
  const key = crypto.randomUUID();
  await change(n, `“${trimmed}” was not added.`, () => addTask(trimmed, key), put, () => void add(trimmed));
}

/** Changes fields of a task; they show at once. */
export async function patch(task: Task, fields: TaskPatch): Promise<void> {
  const shown: Partial<Task> = {};
  for (const [name, value] of Object.entries(fields)) Object.assign(shown, { [name]: value ?? undefined });
  if (fields.completed !== undefined) {
    shown.status = fields.completed ? 'completed' : 'pending';
    Object.assign(shown, { completed_at: fields.completed ? new Date().toISOString() : undefined });
  }
  const n = lay(task.id, { patch: shown });
  const key = crypto.randomUUID();
  await change(n, `“${task.title}” was not changed.`, () => patchTask(task.id, fields, key), put, () => void patch(task, fields));
}

// change sends a change, again where that may help, and takes its overlay away
// with the answer: then the server's word shows, or what was before.
async function change(n: number, failed: string, send: () => Promise<Task>, done: (task: Task) => void, again: () => void): Promise<void> {
  try {
    const task = await persist(send);
    batch(() => {
      lift(n);
      done(task);
    });
  } catch (err) {
    lift(n);
    const retry = err instanceof NetworkError || (err instanceof ApiError && err.temporary);
    toast(`${failed} ${messageOf(err)}`, { tone: 'danger', ...(retry && { action: { label: 'Try again', run: again } }) });
  }
}

// persist repeats a request that was refused for now or got no answer. It holds
// an idempotency key, so that it has its effect once.
async function persist<T>(send: () => Promise<T>): Promise<T> {
  const backoff = new Backoff();
  for (let tries = 1; ; tries++) {
    try {
      return await send();
    } catch (err) {
      const worth = err instanceof NetworkError || (err instanceof ApiError && err.temporary);
      const told = err instanceof ApiError ? (err.retryAfter ?? 0) : 0;
      if (!worth || tries === 4 || told > 20) throw err;
      if (told > 0) countDown(told);
      await pause(Math.max(backoff.next(), told * 1000));
    }
  }
}

/** When a refused change is sent again, in ms since the epoch; 0 when none waits. */
export const retryAt = signal(0);
let retryTimer: ReturnType<typeof setTimeout> | undefined;

function countDown(seconds: number): void {
  retryAt.value = Math.max(retryAt.value, Date.now() + seconds * 1000);
  clearTimeout(retryTimer);
  retryTimer = setTimeout(() => (retryAt.value = 0), retryAt.value - Date.now());
}

/** Deletes a task, which can be undone for a few seconds. */
export function remove(task: Task): void {
  hide(task.id, true);
  const key = crypto.randomUUID();
  deferred(
    `Deleted “${task.title}”`,
    (leaving) => {
      persist(() => removeTask(task.id, key, leaving)).then(
        () =>
          batch(() => {
            drop(task.id);
            hide(task.id, false);
          }),
        (err: unknown) => {
          if (err instanceof ApiError && err.status === 404) drop(task.id); // gone already
          else toast(`“${task.title}” was not deleted. ${messageOf(err)}`, { tone: 'danger' });
          hide(task.id, false);
        },
      );
    },
    () => hide(task.id, false),
  );
}

function hide(id: string, is: boolean): void {
  const next = new Set(hidden.value);
  if (is) next.add(id);
  else next.delete(id);
  hidden.value = next;
}
