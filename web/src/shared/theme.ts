import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
const storage = 'chatkitd.theme';

function read(): Theme {
  const kept = localStorage.getItem(storage);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

export const theme = signal<Theme>(read());

effect(() => {
  const chosen = theme.value;
  if (chosen === 'system') {
    delete document.documentElement.dataset['theme'];
    localStorage.removeItem(storage);
  } else {
    document.documentElement.dataset['theme'] = chosen;
    localStorage.setItem(storage, chosen);
  }
});

export function nextTheme(): void {
  const order: Theme[] = ['system', 'light', 'dark'];
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length]!;
}
