// How far this browser has seen the server's log. It goes along with every
// request, so that another server of the same log shows no less. All windows
// share it, and a reload keeps it. It tells nothing of anybody.
const storage = 'chatkitd.position';

/** The highest position seen, as the server wrote it; '' for none. */
export function position(): string {
  return localStorage.getItem(storage) ?? '';
}

/** Takes note of a position that the server told. */
export function seen(told: string | null): void {
  if (told && isLater(told, position())) localStorage.setItem(storage, told);
}

/** Forgets it: it is of another log. */
export function forgetPosition(): void {
  localStorage.removeItem(storage);
}

/** Whether a lies behind b. A position is one number or two, larger than a Number may be. */
export function isLater(a: string, b: string): boolean {
  return key(a) > key(b);
}

function key(position: string): string {
  const [commit, prepare = commit] = position.split('/');
  return commit!.padStart(20) + prepare!.padStart(20);
}
