// Short messages at the lower edge, and the five seconds in which something can
// be undone.
import { signal } from '@preact/signals';

export interface Toast {
  id: number;
  text: string;
  tone: 'plain' | 'danger';
  action?: { label: string; run: () => void };
}

export const toasts = signal<readonly Toast[]>([]);
let next = 1;

/** Shows a message for ms milliseconds; returns what takes it away before. */
export function toast(text: string, options: { tone?: Toast['tone']; action?: Toast['action']; ms?: number } = {}): () => void {
  const id = next++;
  const dismiss = () => {
    clearTimeout(timer);
    toasts.value = toasts.value.filter((t) => t.id !== id);
  };
  const { action } = options;
  toasts.value = [
    ...toasts.value,
    {
      id,
      text,
      tone: options.tone ?? 'plain',
      ...(action && { action: { label: action.label, run: () => (dismiss(), action.run()) } }),
    },
  ];
  const timer = setTimeout(dismiss, options.ms ?? 6000);
  return dismiss;
}

/** How long a deletion can be undone, in milliseconds. */
export const undoTime = 5000;

const waiting = new Map<number, () => void>();
let nextDeferred = 1;

/**
 * Says what was done and does it for good only when it was not undone in time,
 * or when the page goes away.
 */
export function deferred(text: string, commit: (leaving: boolean) => void, undo: () => void): void {
  const id = nextDeferred++;
  const settle = (then: () => void) => {
    if (!waiting.delete(id)) return;
    clearTimeout(timer);
    then();
  };
  const dismiss = toast(text, { action: { label: 'Undo', run: () => settle(undo) }, ms: undoTime });
  const timer = setTimeout(() => settle(() => commit(false)), undoTime);
  waiting.set(id, () => {
    dismiss();
    settle(() => commit(true));
  });
}

/** Undoes the newest thing that still can be. */
export function undoLast(): boolean {
  const last = toasts.value.findLast((t) => t.action?.label === 'Undo');
  last?.action?.run();
  return last !== undefined;
}

addEventListener('pagehide', () => {
  for (const commit of [...waiting.values()]) commit();
});
