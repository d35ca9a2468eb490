// The address bar holds the open thread.
import { signal } from '@preact/signals';

/** The id of the thread in the address, '' for a new chat. */
export const openThread = signal(read());

function read(): string {
  const match = /^\/t\/([^/]+)$/.exec(location.pathname);
  try {
    return match ? decodeURIComponent(match[1]!) : '';
  } catch {
    return '';
  }
}

export function pathOf(thread: string): string {
  return thread === '' ? '/' : `/t/${encodeURIComponent(thread)}`;
}

export function go(thread: string, how: 'push' | 'replace' = 'push'): void {
  if (thread !== openThread.value) {
    history[how === 'push' ? 'pushState' : 'replaceState'](null, '', pathOf(thread));
    openThread.value = thread;
  }
}

addEventListener('popstate', () => (openThread.value = read()));
