// What a thread's items become with each event of a stream. Pure, and the same
// for an event that comes a second time: a resumed stream may repeat some.
import type { AssistantMessage, Item, OutputText, StreamEvent, Update } from '../shared/chatkit';

export type Items = readonly Item[];

export function reduce(items: Items, event: StreamEvent): Items {
  switch (event.type) {
    case 'thread.item.added':
    case 'thread.item.done':
    case 'thread.item.replaced':
      return put(items, event.item);
    case 'thread.item.removed':
      return items.filter((item) => item.id !== event.item_id);
    case 'thread.item.updated': {
      const at = indexOf(items, event.item_id);
      if (at < 0) return items;
      return items.with(at, update(items[at]!, event.update));
    }
    default:
      return items;
  }
}

// indexOf looks from the end: what changes is almost always the newest.
export function indexOf(items: Items, id: string): number {
  for (let i = items.length - 1; i >= 0; i--) if (items[i]!.id === id) return i;
  return -1;
}

function put(items: Items, item: Item): Items {
  const at = indexOf(items, item.id);
  return at < 0 ? [...items, item] : items.with(at, item);
}

function update(item: Item, u: Update): Item {
  switch (u.type) {
    case 'assistant_message.content_part.added':
    case 'assistant_message.content_part.done':
      return part(item, u.content_index, () => u.content);
    case 'assistant_message.content_part.text_delta':
      return part(item, u.content_index, (p) => ({ ...p, text: p.text + u.delta }));
    case 'assistant_message.content_part.annotation_added':
      return part(item, u.content_index, (p) => {
        const annotations = [...p.annotations];
        annotations[u.annotation_index] = u.annotation;
        return { ...p, annotations: annotations.filter(Boolean) };
      });
    case 'workflow.task.added':
    case 'workflow.task.updated': {
      if (item.type !== 'workflow') return item;
      const tasks = [...item.workflow.tasks];
      tasks[Math.min(u.task_index, tasks.length)] = u.task;
      return { ...item, workflow: { ...item.workflow, tasks } };
    }
    case 'generated_image.updated':
      return item.type === 'generated_image' ? { ...item, image: u.image } : item;
    default:
      return item; // an update of a kind that this page does not show
  }
}

const emptyPart: OutputText = { type: 'output_text', text: '', annotations: [] };

function part(item: Item, index: number, change: (p: OutputText) => OutputText): Item {
  if (item.type !== 'assistant_message') return item;
  const content = [...item.content];
  while (content.length <= index) content.push(emptyPart);
  content[index] = change(content[index]!);
  return { ...item, content };
}

/** The text of an answer or a message, all parts. */
export function textOf(item: Item): string {
  switch (item.type) {
    case 'user_message':
      return item.content.map((c) => (c.type === 'input_tag' ? `@${c.text}` : c.text)).join('');
    case 'assistant_message':
      return item.content.map((c) => c.text).join('\n\n');
    case 'widget':
      return item.copy_text ?? '';
    default:
      return '';
  }
}

/** The last message of the person's own, if the items hold one. */
export function lastQuestion(items: Items): Item | undefined {
  return items.findLast((item) => item.type === 'user_message');
}

/** The answers to the last question, joined. */
export function lastAnswer(items: Items): string {
  const from = items.findLastIndex((item) => item.type === 'user_message');
  return items
    .slice(from + 1)
    .filter((item): item is AssistantMessage => item.type === 'assistant_message')
    .map(textOf)
    .join('\n\n');
}

/** What an item says of the answer before it that is not whole; '' for any other item. */
export function cutOff(item: Item | undefined): string {
  if (item?.type !== 'task' || !item.id.startsWith('cut_')) return '';
  return item.task.title === 'Stopped' ? 'You stopped this answer.' : `This answer was not finished. ${item.task.content ?? ''}`;
}

/**
 * Whether the conversation stops short of an answer: with a question, or with
 * steps towards an answer that never came.
 */
export function unanswered(items: Items): boolean {
  const last = items.findLast((item) => item.type !== 'end_of_turn');
  if (last?.type === 'user_message') return true;
  return last === items.at(-1) && (last?.type === 'workflow' || last?.type === 'task') && cutOff(last) === '';
}

/** Newest first as the server lists them -> oldest first, without what is there already. */
export function prepend(items: Items, page: readonly Item[]): Items {
  const known = new Set(items.map((item) => item.id));
  return [...page.filter((item) => !known.has(item.id)).reverse(), ...items];
}
