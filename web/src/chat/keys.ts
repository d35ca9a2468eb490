// Keys of the whole page. A key that a person types into a field is theirs.
import { undoLast } from '../shared/toast';
import type { Keys } from '../shared/tools';
import { focus, helpOpen, newChat, pane, showPane } from './panes';

export const keys: Keys = [
  { key: 'c', does: 'New chat' },
  { key: '/', does: 'Search tasks' },
  { key: 't', does: 'Add a task' },
  { key: 'm', does: 'Write a message' },
  { key: '↑ ↓', does: 'Move in a list' },
  { key: 'F2', does: 'Rename' },
  { key: 'Delete', does: 'Delete' },
  { key: 'u', does: 'Undo the deletion' },
  { key: 'Enter', does: 'Send' },
  { key: 'Shift Enter', does: 'New line' },
  { key: 'Esc', does: 'Stop the answer, close' },
  { key: '?', does: 'These keys' },
];

export function listenToKeys(): void {
  addEventListener('keydown', (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const at = e.target as HTMLElement;
    if (at.closest('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog')) return;
    switch (e.key) {
      case '?':
        helpOpen.value = true;
        break;
      case 'c':
        newChat();
        break;
      case '/':
        showPane('tasks');
        focus('task-search');
        break;
      case 't':
        showPane('tasks');
        focus('task-add');
        break;
      case 'm':
        showPane('chat');
        focus('message');
        break;
      case 'Escape':
        if (pane.value !== 'threads') return;
        showPane('chat');
        focus('message');
        break;
      case 'u':
        if (!undoLast()) return;
        break;
      default:
        return;
    }
    e.preventDefault();
  });
}

/** Moves from a row of a list to the same control of the next or previous one. */
export function arrows(e: KeyboardEvent): void {
  if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
  const at = e.target as HTMLElement;
  const row = at.closest('[data-row]');
  if (!row || at.matches('input:not([type=checkbox])')) return;
  const rows = [...(e.currentTarget as HTMLElement).querySelectorAll('[data-row]')];
  const next = rows[rows.indexOf(row) + (e.key === 'ArrowDown' ? 1 : -1)];
  if (!next) return;
  const which = focusable(row).indexOf(at);
  const there = focusable(next);
  (there[which] ?? there[0])?.focus();
  e.preventDefault();
}

function focusable(row: Element): HTMLElement[] {
  return [...row.querySelectorAll<HTMLElement>('a, button, input')];
}
