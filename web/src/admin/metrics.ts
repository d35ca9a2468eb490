// What the server says in Prometheus' text format, and the few figures that the
// charts want of it.

export interface Sample {
  labels: Readonly<Record<string, string>>;
  value: number;
}
export type Metrics = ReadonlyMap<string, readonly Sample[]>;

/** Reads the text format (version 0.0.4); lines that are not of it are passed over. */
export function parseMetrics(text: string): Metrics {
  const all = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    const [, name, labels, value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)/.exec(line) ?? [];
    if (!name) continue;
    const read = value === '+Inf' ? Infinity : value === '-Inf' ? -Infinity : Number(value);
    const list = all.get(name) ?? [];
    list.push({ labels: readLabels(labels ?? ''), value: read });
    all.set(name, list);
  }
  return all;
}

const escapes: Record<string, string> = { n: '\n', '"': '"', '\\': '\\' };

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)) labels[name!] = value!.replaceAll(/\\(.)/g, (_, c: string) => escapes[c] ?? c);
  return labels;
}

/** The sum of all series whose names match; undefined when there is none. */
export function sum(metrics: Metrics, name: RegExp, keep: (labels: Sample['labels']) => boolean = () => true): number | undefined {
  let total: number | undefined;
  for (const [known, samples] of metrics) {
    if (!name.test(known)) continue;
    for (const { labels, value } of samples) if (keep(labels)) total = (total ?? 0) + value;
  }
  return total;
}

/** Upper bound and count of each bucket of a histogram, all its series together. */
export type Buckets = readonly (readonly [bound: number, count: number])[];

export function buckets(metrics: Metrics, name: RegExp): Buckets {
  const counts = new Map<number, number>();
  for (const [known, samples] of metrics) {
    if (!known.endsWith('_bucket') || !name.test(known.slice(0, -'_bucket'.length))) continue;
    for (const { labels, value } of samples) {
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
  }
  return [...counts].sort((a, b) => a[0] - b[0]);
}

/**
 * The quantile of what was observed between two readings, as histogram_quantile
 * has it: in a straight line within its bucket, the last finite bound at most.
 * undefined when nothing was observed.
 */
export function quantile(q: number, before: Buckets, after: Buckets): number | undefined {
  const was = new Map(before);
  const counts = after.map(([bound, count]) => [bound, count - (was.get(bound) ?? 0)] as const);
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  const rank = q * total;
  let [low, below] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= rank) return bound === Infinity ? low : low + ((bound - low) * (rank - below)) / (count - below);
    [low, below] = [bound, count];
  }
  return low;
}
