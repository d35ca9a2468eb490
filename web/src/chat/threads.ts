// The list of a person's threads, newest first, paged.
import { computed, signal } from '@preact/signals';
import { deleteThread, getThread, listThreads, renameThread, type Thread } from '../shared/chatkit';
import { ApiError, messageOf } from '../shared/http';
import { deferred, toast } from '../shared/toast';
import { go, openThread } from './router';

const pageSize = 30;

const known = signal<readonly Thread[]>([]);
// Deleted here, while that can be undone or is on its way.
const hidden = signal<ReadonlySet<string>>(new Set());

export const threads = computed(() => known.value.filter((t) => !hidden.value.has(t.id)));
export const threadsState = signal<'loading' | 'ready' | 'failed'>('loading');
export const threadsError = signal('');
export const hasMoreThreads = signal(false);
const more = signal(false);
let looked = 0;

export function titleOf(thread: Thread | undefined): string {
  return thread?.title || 'New chat';
}

/** The open thread, if the page knows it. */
export const current = computed(() => known.value.find((t) => t.id === openThread.value));

export async function loadThreads(): Promise<void> {
  threadsState.value = 'loading';
  try {
    const page = await listThreads(pageSize);
    known.value = page.data;
    hasMoreThreads.value = page.has_more;
    threadsState.value = 'ready';
    looked = Date.now();
  } catch (err) {
    threadsError.value = messageOf(err);
    threadsState.value = 'failed';
  }
}

/** Looks for threads that another window has made, named or deleted. */
export async function refreshThreads(): Promise<void> {
  if (threadsState.value !== 'ready' || Date.now() - looked < 3000) return;
  looked = Date.now();
  try {
    const page = await listThreads(pageSize);
    // The first page replaces what it covers; what is behind it stays.
    const fresh = new Set(page.data.map((t) => t.id));
    const oldest = page.data.at(-1)?.created_at ?? '';
    const behind = page.has_more ? known.value.filter((t) => !fresh.has(t.id) && t.created_at < oldest) : [];
    known.value = [...page.data, ...behind];
  } catch {
    // It was only a look.
  }
}

export async function moreThreads(): Promise<void> {
  const last = known.value.at(-1);
  if (!hasMoreThreads.value || more.value || !last) return;
  more.value = true;
  try {
    const page = await listThreads(pageSize, last.id);
    const have = new Set(known.value.map((t) => t.id));
    known.value = [...known.value, ...page.data.filter((t) => !have.has(t.id))];
    hasMoreThreads.value = page.has_more;
  } catch (err) {
    hasMoreThreads.value = false;
    toast(`More chats could not be loaded. ${messageOf(err)}`, {
      tone: 'danger',
      action: { label: 'Retry', run: () => ((hasMoreThreads.value = true), void moreThreads()) },
    });
  } finally {
    more.value = false;
  }
}

/** Takes a thread as the server has just told it. */
export function putThread(thread: Thread, first: boolean): void {
  const at = known.value.findIndex((t) => t.id === thread.id);
  if (at >= 0) known.value = known.value.with(at, thread);
  else if (first || thread.id === openThread.value) {
    known.value = [thread, ...known.value].sort((a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0));
  }
}

/** Makes sure that an open thread which is not on a loaded page has a title. */
export async function touchThread(id: string): Promise<void> {
  const have = known.value.find((t) => t.id === id);
  if (have?.title) return;
  try {
    putThread(await getThread(id), false);
  } catch {
    // A title is no more than a convenience.
  }
}

export async function rename(thread: Thread, title: string): Promise<void> {
  const trimmed = title.trim();
  if (trimmed === '' || trimmed === thread.title) return;
  replace({ ...thread, title: trimmed });
  try {
    replace(await renameThread(thread.id, trimmed));
  } catch (err) {
    replace(thread);
    toast(`The chat was not renamed. ${messageOf(err)}`, { tone: 'danger' });
  }
}

function replace(thread: Thread): void {
  known.value = known.value.map((t) => (t.id === thread.id ? thread : t));
}

export function remove(thread: Thread): void {
  const wasOpen = openThread.value === thread.id;
  hide(thread.id, true);
  if (wasOpen) go('');
  const undo = () => {
    hide(thread.id, false);
    if (wasOpen) go(thread.id);
  };
  deferred(
    `Deleted “${titleOf(thread)}”`,
    (leaving) => {
      deleteThread(thread.id, { keepalive: leaving }).then(
        () => {
          known.value = known.value.filter((t) => t.id !== thread.id);
          hide(thread.id, false);
        },
        (err: unknown) => {
          if (err instanceof ApiError && err.status === 404) return; // gone already
          hide(thread.id, false);
          toast(`“${titleOf(thread)}” was not deleted. ${messageOf(err)}`, { tone: 'danger' });
        },
      );
    },
    undo,
  );
}

function hide(id: string, is: boolean): void {
  const next = new Set(hidden.value);
  if (is) next.add(id);
  else next.delete(id);
  hidden.value = next;
}

/** Forgets everything: another person is here. */
export function resetThreads(): void {
  known.value = [];
  hidden.value = new Set();
  void loadThreads();
}
