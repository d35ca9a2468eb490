// The server's own figures, sampled while somebody looks.
import { signal } from '@preact/signals';
import { reportLost, reportReached } from '../shared/connection';
import { NetworkError } from '../shared/http';
import { explain } from './follow';
import { bytes, duration, number } from './format';
import { buckets, parseMetrics, quantile, sum, type Metrics } from './metrics';

export const every = 2000; // ms
const most = 150; // samples: five minutes
const window = 16; // samples over which a quantile is taken: half a minute

/** The figures at one time, in the order of series; undefined where nothing was measured. */
export interface Reading {
  at: number;
  values: readonly (number | undefined)[];
}

export interface Check {
  name: string;
  status: string;
  optional?: boolean;
  duration_ms: number;
}

let scrapes: readonly Scrape[] = [];
export const readings = signal<readonly Reading[]>([]);
export const checks = signal<readonly Check[]>([]);
export const overall = signal('');
export const problem = signal('');

interface Scrape {
  at: number;
  metrics: Metrics;
}

export interface Series {
  name: string;
  about: string;
  format: (value: number) => string;
  /** The value now, from the last of these and those before it. */
  value: (scrapes: readonly Scrape[]) => number | undefined;
}

const gauge = (name: RegExp) => (scrapes: readonly Scrape[]) => sum(scrapes.at(-1)!.metrics, name);

const rate = (name: RegExp, keep?: (labels: Readonly<Record<string, string>>) => boolean) => (scrapes: readonly Scrape[]) => {
  const [before, now] = [scrapes.at(-2), scrapes.at(-1)!];
  const [a, b] = [before && sum(before.metrics, name, keep), sum(now.metrics, name, keep)];
  if (a === undefined || b === undefined) return undefined;
  return Math.max(0, ((b - a) * 1000) / (now.at - before!.at)); // below 0 the server was started anew
};

const p99 = (name: RegExp) => (scrapes: readonly Scrape[]) => {
  const value = scrapes.length < 2 ? undefined : quantile(0.99, buckets(scrapes[0]!.metrics, name), buckets(scrapes.at(-1)!.metrics, name));
  return value === undefined ? undefined : value * 1000;
};

export const series: readonly Series[] = [
  { name: 'Appends', about: 'a second', format: (v) => `${number(v)}/s`, value: rate(/^chatkitd_\w+_appends_total$/, (labels) => (labels['result'] ?? 'ok') === 'ok') },
  { name: 'Append p99', about: 'the slowest 1 % of half a minute took longer', format: duration, value: p99(/^chatkitd_\w+_append_seconds$/) },
  { name: 'Turn p99', about: 'the slowest 1 % of half a minute took longer', format: duration, value: p99(/^chatkitd_actors_turn_duration_seconds$/) },
  { name: 'Live actors', about: 'threads and users in memory', format: number, value: gauge(/^chatkitd_actors_live$/) },
  { name: 'Running turns', about: 'answers being written', format: number, value: gauge(/^chatkitd_actors_turns$/) },
  { name: 'Open streams', about: 'windows that listen', format: number, value: gauge(/^chatkitd_http_open_streams$/) },
  { name: 'Requests', about: 'a second', format: (v) => `${number(v)}/s`, value: rate(/^chatkitd_http_requests_total$/) },
  { name: 'Memory', about: 'resident', format: bytes, value: gauge(/^process_resident_memory_bytes$/) },
];

/** Samples until the returned function is called. */
export function sample(): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const ended = new AbortController();
  const once = async () => {
    try {
      const [metrics, health] = await Promise.all([get('/metrics', ended.signal), get('/health', ended.signal)]);
      if (!metrics.ok) throw new Error(`GET /metrics: ${metrics.status}`);
      const body = (await health.json()) as { status: string; draining?: boolean; checks: Record<string, Omit<Check, 'name'>> };
      overall.value = body.draining ? 'stopping' : body.status;
      checks.value = Object.entries(body.checks).map(([name, check]) => ({ name, ...check }));
      scrapes = [...scrapes, { at: Date.now(), metrics: parseMetrics(await metrics.text()) }].slice(-window);
      readings.value = [...readings.value, { at: scrapes.at(-1)!.at, values: series.map((one) => one.value(scrapes)) }].slice(-most);
      problem.value = '';
      reportReached('health');
    } catch (err) {
      if (ended.signal.aborted) return;
      if (err instanceof NetworkError) reportLost('health', Date.now() + every);
      else problem.value = err instanceof Error && !(err instanceof TypeError) ? `${err.message}.` : explain(err);
    }
    timer = setTimeout(once, every);
  };
  // What was sampled long ago would be drawn as if it were now.
  if (Date.now() - (scrapes.at(-1)?.at ?? 0) > 5 * every) scrapes = [];
  if (scrapes.length === 0) readings.value = [];
  void once();
  return () => {
    clearTimeout(timer);
    ended.abort();
    reportReached('health');
  };
}

// Both are open to whoever may connect: no token goes there.
async function get(path: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(path, { cache: 'no-store', credentials: 'omit', signal });
  } catch (err) {
    if (signal.aborted) throw err;
    throw new NetworkError('The server cannot be reached.', { cause: err });
  }
}
