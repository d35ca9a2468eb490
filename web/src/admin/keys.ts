// Keys of the whole page. A key that a person types into a field is theirs.
import { signal } from '@preact/signals';
import { pauseOrResume } from './log';
import { closeEvent } from './log-view';
import { go, place, tabs } from './router';

export const helpOpen = signal(false);

export const keys: readonly { key: string; does: string }[] = [
  { key: '1 2 3 4 5', does: 'Log, stream, turn, projections, health' },
  { key: '/', does: 'Filter or find' },
  { key: 'p', does: 'Hold the log still; play the stream' },
  { key: '↑ ↓', does: 'Move in a list (j, k too)' },
  { key: 'Enter', does: 'Open' },
  { key: '← →', does: 'One step back or on in the stream' },
  { key: 'Esc', does: 'Close' },
  { key: '?', does: 'These keys' },
];

export function listenToKeys(): void {
  addEventListener('keydown', (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const at = e.target as HTMLElement;
    if (at.closest('input:not([type=checkbox], [type=range]), textarea, select, dialog, [popover]')) return;
    const tab = tabs[Number(e.key) - 1];
    if (tab) go(tab);
    else if (e.key === '?') helpOpen.value = true;
    else if (e.key === '/') document.getElementById('filter')?.focus();
    else if (e.key === 'p' && place.value.tab === 'log') pauseOrResume();
    else if (e.key === 'Escape') closeEvent();
    else return;
    e.preventDefault();
  });
}
