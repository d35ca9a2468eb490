// The REST interface of a person's tasks.
import { json, request } from './http';

export type Priority = 'low' | 'medium' | 'high';

export interface Task {
  id: string;
  title: string;
  description?: string;
  status: 'pending' | 'completed';
  completed: boolean;
  priority?: Priority;
  tags?: string[];
  due_at?: string;
  created_at: string;
  updated_at: string;
  completed_at?: string;
}

export interface TaskPage {
  data: Task[];
  has_more?: boolean;
  after?: string;
  total: number;
  pending: number;
  completed: number;
}

/** A change of some fields; null clears one. */
export interface TaskPatch {
  title?: string;
  description?: string | null;
  completed?: boolean;
  priority?: Priority | null;
  tags?: string[] | null;
  due_at?: string | null;
}

export const maxTitle = 200;
export const maxDescription = 1000;
export const maxTags = 20;
export const maxTag = 50;

const endpoint = '/api/v1/tasks';
const at = (id: string) => `${endpoint}/${encodeURIComponent(id)}`;
const keyed = (key: string): RequestInit => ({ headers: { 'Idempotency-Key': key } });

export const addTask = (title: string, key: string) => json<Task>('POST', endpoint, { title }, keyed(key));
export const patchTask = (id: string, patch: TaskPatch, key: string) => json<Task>('PATCH', at(id), patch, keyed(key));
export const removeTask = (id: string, key: string, leaving: boolean) =>
  json<void>('DELETE', at(id), undefined, { ...keyed(key), keepalive: leaving });
export const listTasks = (limit: number, after: string) =>
  json<TaskPage>('GET', `${endpoint}?${new URLSearchParams({ limit: String(limit), after })}`);

/** Opens the live list, after an event that was seen. */
export function watchTasks(after: string, signal: AbortSignal): Promise<Response> {
  return request(endpoint, {
    headers: { Accept: 'text/event-stream', ...(after && { 'Last-Event-ID': after }) },
    signal,
  });
}
