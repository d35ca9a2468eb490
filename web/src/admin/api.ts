// The admin API as far as the page speaks it.
import { json, request } from '../shared/http';
import type { Task } from '../shared/tasks';

/** A place in the log: opaque, never calculated with. */
export type Position = string;

export interface EventView {
  position: Position;
  stream: string;
  revision: number;
  type: string;
  id: string;
  time: string;
  data: unknown;
  metadata: Record<string, unknown> | null;
  summary?: string;
  cause?: string;
}

export interface EventPage {
  data: EventView[];
  has_more: boolean;
  after?: Position;
  head: Position;
}

export interface Step {
  event: EventView;
  /** The id of a task or item, or "thread". */
  subject: string;
  before: unknown;
  after: unknown;
  cause?: Cause;
}

/** What led to a step: a message that began a turn, which called a tool; or nothing but a request. */
export interface Cause {
  request?: string;
  thread?: string;
  message?: string;
  text?: string;
  turn?: string;
  call?: string;
  tool?: string;
}

export interface ThreadItem {
  id: string;
  type: string;
  [field: string]: unknown;
}

export interface Replay {
  stream: string;
  /** Of the last event that was folded; absent when none was. */
  revision?: number;
  position: Position;
  time?: string;
  tasks?: Task[];
  thread?: { id: string; title?: string; created_at: string; status?: { type: string } };
  items?: ThreadItem[];
  /** A page of them; also has_more and after are about it. */
  steps?: Step[];
  has_more?: boolean;
  /** The revision of the last of them. */
  after?: number;
}

export type Kind = 'request' | 'message' | 'turn' | 'model' | 'tool' | 'event';

export interface TraceNode {
  kind: Kind;
  id: string;
  title: string;
  start?: string;
  duration_ms?: number;
  detail?: unknown;
  events?: EventView[];
  children?: TraceNode[];
}

export interface Failure {
  reason: string;
  position?: Position;
  stream?: string;
  revision?: number;
  type?: string;
  recorded?: string;
  attempts: number;
  since: string;
}

export interface Difference {
  table: string;
  key: string;
  old?: string;
  new?: string;
}

export interface Rebuild {
  phase: 'fold' | 'index' | 'catch_up' | 'compare' | 'swap' | 'done' | 'failed' | 'canceled';
  paused?: boolean;
  events: number;
  total?: number;
  rate: number;
  eta_seconds: number;
  started: string;
  ended?: string;
  error?: string;
  compare?: { equal: boolean; rows: number; hash: string; differences?: Difference[]; more?: number };
}

export interface Projection {
  name: string;
  version: number;
  generation: number;
  state: 'running' | 'rebuilding' | 'paused' | 'failed';
  position: Position;
  head: Position;
  lag_events: number;
  /** lag_events were counted, there may be more. */
  lag_at_least?: boolean;
  lag_seconds: number;
  rate: number;
  failure?: Failure;
  rebuild?: Rebuild;
  previous?: number;
}

export type Action = 'rebuild' | 'cancel' | 'pause' | 'resume' | 'retry' | 'skip' | 'rollback';

const base = '/api/v1/admin';
const part = encodeURIComponent;

export const listEvents = (query: URLSearchParams, signal: AbortSignal) => json<EventPage>('GET', `${base}/events?${query}`, undefined, { signal });

/** Opens the live log behind an event that was seen. */
export function watchEvents(query: URLSearchParams, after: Position, signal: AbortSignal): Promise<Response> {
  return request(`${base}/events?${query}`, { headers: { Accept: 'text/event-stream', 'Last-Event-ID': after }, signal });
}

export const replay = (query: URLSearchParams, signal: AbortSignal) => json<Replay>('GET', `${base}/replay?${query}`, undefined, { signal });

export const trace = (id: string, signal: AbortSignal) => json<TraceNode>('GET', `${base}/trace/${part(id)}`, undefined, { signal });

export function watchProjections(signal: AbortSignal): Promise<Response> {
  return request(`${base}/projections`, { headers: { Accept: 'text/event-stream' }, signal });
}

export const act = (name: string, action: Action, body?: object) => json<unknown>('POST', `${base}/projections/${part(name)}/${action}`, body);
