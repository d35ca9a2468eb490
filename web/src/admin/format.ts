// Numbers, times and names as the page writes them.
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
const dayClock = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long' });

export const number = (n: number) => (Math.abs(n) >= 100 || Number.isInteger(n) ? whole : fine).format(n);

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

/** 0.8 ms, 12 ms, 3.4 s, 2 min 5 s, 3 h 10 min. */
export function duration(ms: number): string {
  if (ms < 1000) return `${fine.format(ms < 10 ? ms : Math.round(ms))} ms`;
  if (ms < 60_000) return `${fine.format(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function bytes(n: number): string {
  return n >= 2 ** 30 ? `${fine.format(n / 2 ** 30)} GiB` : `${fine.format(n / 2 ** 20)} MiB`;
}

/** The time of today to the millisecond, of another day with its date. */
export function time(iso: string, now = new Date()): string {
  const at = new Date(iso);
  return (at.toDateString() === now.toDateString() ? clock : dayClock).format(at);
}

/** When an event happened: a log that was copied has taken it later. */
export function happened({ time, metadata }: { time: string; metadata: Record<string, unknown> | null }): string {
  const recorded = metadata?.['recorded_at'];
  return typeof recorded === 'string' ? recorded : time;
}

export const exactTime = (iso: string) => exact.format(new Date(iso));

const families: Record<string, string> = { feedback: 'item', effect: 'task', model: 'tool', projection: 'audit', node: 'audit' };

/** The family that gives an event its colour: task, item, thread, turn, tool, audit. */
export function family(type: string): string {
  const first = type.split('.', 1)[0]!;
  return families[first] ?? first;
}

/** Whose state a stream holds, as the replay asks for it. */
export function ownerOf(stream: string): { user: string } | { thread: string } | undefined {
  const [, category, id] = /^(user|thread)-(.+)$/s.exec(stream) ?? [];
  try {
    if (category) return category === 'user' ? { user: decodeURIComponent(id!) } : { thread: decodeURIComponent(id!) };
  } catch {
    // Not a name that the server has made.
  }
  return undefined;
}

export const json = (value: unknown) => JSON.stringify(value, null, 2) ?? 'null';
