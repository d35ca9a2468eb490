// One line at the top says whether the server can be reached. Whoever keeps a
// stream open reports here.
import { computed, signal } from '@preact/signals';

/** Who has lost the server, and when (ms since the epoch) it tries again. */
const lost = signal<ReadonlyMap<string, number>>(new Map());
const restored = signal(false);
let fading: ReturnType<typeof setTimeout> | undefined;

export const connection = computed<{ state: 'ok' } | { state: 'restored' } | { state: 'lost'; next: number }>(() => {
  if (lost.value.size > 0) return { state: 'lost', next: Math.min(...lost.value.values()) };
  return { state: restored.value ? 'restored' : 'ok' };
});

export function reportLost(who: string, next: number): void {
  lost.value = new Map(lost.value).set(who, next);
}

/** Who has the server back, or no longer cares. */
export function reportReached(who: string): void {
  if (!lost.value.has(who)) return;
  const left = new Map(lost.value);
  left.delete(who);
  lost.value = left;
  if (left.size > 0) return;
  restored.value = true;
  clearTimeout(fading);
  fading = setTimeout(() => (restored.value = false), 2500);
}
