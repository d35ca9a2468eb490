// Which pane is seen where there is room for one, and what the keys of the page do.
import { signal } from '@preact/signals';
import { resetChat } from './chats';
import { go, openThread } from './router';

export type Pane = 'threads' | 'chat' | 'tasks';
export const pane = signal<Pane>('chat');
export const helpOpen = signal(false);

export function showPane(which: Pane): void {
  pane.value = which;
  // Where the chats lie over the page, the focus goes with them and comes back.
  if (which === 'threads') focus('new-chat');
}

export function newChat(): void {
  showPane('chat');
  if (openThread.value === '') resetChat();
  else go('');
  focus('message');
}

/** Focuses an element once it is drawn: a pane that was hidden takes no focus in the frame in which it appears. */
export function focus(id: string): void {
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(id)?.focus()));
}
