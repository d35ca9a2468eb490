// The ChatKit protocol as far as the page speaks it.
import { json, request } from './http';

export interface Page<T> {
  data: T[];
  has_more: boolean;
  after?: string;
}

export interface Thread {
  id: string;
  title?: string;
  created_at: string;
  status: { type: 'active' | 'locked' | 'closed'; reason?: string };
  items: Page<Item>;
}

interface Base {
  id: string;
  thread_id: string;
  created_at: string;
}

export interface UserMessage extends Base {
  type: 'user_message';
  content: { type: string; text: string }[];
  quoted_text?: string;
}

export interface Source {
  type: 'url' | 'file' | 'entity';
  title: string;
  url?: string;
  filename?: string;
}

export interface OutputText {
  type: 'output_text';
  text: string;
  annotations: { source: Source; index?: number }[];
}

export interface AssistantMessage extends Base {
  type: 'assistant_message';
  content: OutputText[];
}

export interface Step {
  type: 'custom' | 'web_search' | 'thought' | 'file' | 'image';
  status_indicator?: 'none' | 'loading' | 'complete';
  title?: string;
  icon?: string;
  content?: string;
  title_query?: string;
  queries?: string[];
  sources?: Source[];
}

export interface Workflow {
  type: 'custom' | 'reasoning';
  tasks: Step[];
  summary?: { title?: string; icon?: string; duration?: number };
  expanded: boolean;
}

export interface WorkflowItem extends Base {
  type: 'workflow';
  workflow: Workflow;
}

export interface StepItem extends Base {
  type: 'task';
  task: Step;
}

export interface ClientToolCall extends Base {
  type: 'client_tool_call';
  name: string;
  status: 'pending' | 'completed';
  arguments: unknown;
  output?: unknown;
}

export interface WidgetItem extends Base {
  type: 'widget';
  copy_text?: string;
}

export interface GeneratedImage extends Base {
  type: 'generated_image';
  image?: { id: string; url?: string };
}

export interface StructuredInput extends Base {
  type: 'structured_input';
  inputs: { question?: string }[];
}

export interface EndOfTurn extends Base {
  type: 'end_of_turn';
}

export type Item =
  | UserMessage
  | AssistantMessage
  | WorkflowItem
  | StepItem
  | ClientToolCall
  | WidgetItem
  | GeneratedImage
  | StructuredInput
  | EndOfTurn;

export type Update =
  | { type: 'assistant_message.content_part.added'; content_index: number; content: OutputText }
  | { type: 'assistant_message.content_part.text_delta'; content_index: number; delta: string }
  | {
      type: 'assistant_message.content_part.annotation_added';
      content_index: number;
      annotation_index: number;
      annotation: OutputText['annotations'][number];
    }
  | { type: 'assistant_message.content_part.done'; content_index: number; content: OutputText }
  | { type: 'workflow.task.added'; task_index: number; task: Step }
  | { type: 'workflow.task.updated'; task_index: number; task: Step }
  | { type: 'generated_image.updated'; image: { id: string; url?: string }; progress?: number };

export interface Notice {
  level: 'info' | 'warning' | 'danger';
  message: string;
  title?: string;
}

export type StreamEvent =
  | { type: 'thread.created'; thread: Thread }
  | { type: 'thread.updated'; thread: Thread }
  | { type: 'thread.item.added'; item: Item }
  | { type: 'thread.item.updated'; item_id: string; update: Update }
  | { type: 'thread.item.done'; item: Item }
  | { type: 'thread.item.removed'; item_id: string }
  | { type: 'thread.item.replaced'; item: Item }
  | { type: 'stream_options'; stream_options: { allow_cancel: boolean } }
  | { type: 'progress_update'; text: string; icon?: string }
  | { type: 'client_effect'; name: string; data: unknown }
  | { type: 'error'; code: string; message?: string; allow_retry: boolean }
  | ({ type: 'notice' } & Notice);

/** Characters of one message, all parts together. */
export const maxMessage = 32_000;
/** Characters of a thread's title. */
export const maxThreadTitle = 200;

const endpoint = '/api/v1/chatkit';
const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function call<T>(type: string, params: object, init?: RequestInit): Promise<T> {
  return json<T>('POST', endpoint, { type, params, metadata: { timezone } }, init);
}

export const listThreads = (limit: number, after?: string) =>
  call<Page<Thread>>('threads.list', { limit, order: 'desc', ...(after && { after }) });
export const getThread = (thread_id: string) => call<Thread>('threads.get_by_id', { thread_id });
export const renameThread = (thread_id: string, title: string) => call<Thread>('threads.update', { thread_id, title });
export const deleteThread = (thread_id: string, init?: RequestInit) => call<object>('threads.delete', { thread_id }, init);
export const listItems = (thread_id: string, limit: number, after?: string) =>
  call<Page<Item>>('items.list', { thread_id, limit, order: 'desc', ...(after && { after }) });
export const giveFeedback = (thread_id: string, item_id: string, kind: 'positive' | 'negative') =>
  call<object>('items.feedback', { thread_id, item_ids: [item_id], kind });

/** Starts a turn. The answer is its stream. */
export type TurnRequest =
  | { type: 'threads.create'; text: string; key: string }
  | { type: 'threads.add_user_message'; thread: string; text: string; key: string }
  | { type: 'threads.retry_after_item'; thread: string; item: string; key: string };

export function startTurn(turn: TurnRequest, signal: AbortSignal): Promise<Response> {
  let params: object;
  if (turn.type === 'threads.retry_after_item') {
    params = { thread_id: turn.thread, item_id: turn.item };
  } else {
    const input = { content: [{ type: 'input_text', text: turn.text }], attachments: [], inference_options: {} };
    params = turn.type === 'threads.create' ? { input } : { thread_id: turn.thread, input };
  }
  return request(endpoint, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Idempotency-Key': turn.key },
    body: JSON.stringify({ type: turn.type, params, metadata: { timezone } }),
    signal,
  });
}

/** Joins the turn that runs in a thread, after an event that was seen; undefined when none runs. */
export async function resumeTurn(thread: string, after: string, signal: AbortSignal): Promise<Response | undefined> {
  const res = await request(`${endpoint}/threads/${encodeURIComponent(thread)}/stream`, {
    headers: { Accept: 'text/event-stream', ...(after && { 'Last-Event-ID': after }) },
    signal,
  });
  return res.status === 204 ? undefined : res;
}

export async function cancelTurn(thread: string): Promise<void> {
  await request(`${endpoint}/threads/${encodeURIComponent(thread)}/cancel`, { method: 'POST' });
}
