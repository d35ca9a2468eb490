import { describe, expect, test } from 'vitest';
import type { AssistantMessage, Item, StreamEvent, UserMessage, WorkflowItem } from '../shared/chatkit';
import { cutOff, lastAnswer, prepend, reduce, textOf, unanswered, type Items } from './reduce';

const base = (id: string) => ({ id, thread_id: 'thr_1', created_at: '2026-11-23T10:00:00Z' });
const question = (id: string, text = 'hi'): UserMessage => ({ ...base(id), type: 'user_message', content: [{ type: 'input_text', text }] });
const answer = (id: string, ...texts: string[]): AssistantMessage => ({
  ...base(id),
  type: 'assistant_message',
  content: texts.map((text) => ({ type: 'output_text', text, annotations: [] })),
});
const workflow = (id: string): WorkflowItem => ({ ...base(id), type: 'workflow', workflow: { type: 'custom', tasks: [], expanded: false } });
const run = (events: StreamEvent[], items: Items = []) => events.reduce(reduce, items);
const delta = (id: string, text: string, index = 0): StreamEvent => ({
  type: 'thread.item.updated',
  item_id: id,
  update: { type: 'assistant_message.content_part.text_delta', content_index: index, delta: text },
});

const turn: StreamEvent[] = [
  { type: 'thread.item.done', item: question('msg_1') },
  { type: 'stream_options', stream_options: { allow_cancel: true } },
  { type: 'thread.item.added', item: workflow('wf_1') },
  { type: 'thread.item.updated', item_id: 'wf_1', update: { type: 'workflow.task.added', task_index: 0, task: { type: 'custom', title: 'Add', status_indicator: 'loading' } } },
  { type: 'thread.item.updated', item_id: 'wf_1', update: { type: 'workflow.task.updated', task_index: 0, task: { type: 'custom', title: 'Added', status_indicator: 'complete' } } },
  { type: 'thread.item.added', item: answer('msg_2') },
  { type: 'thread.item.updated', item_id: 'msg_2', update: { type: 'assistant_message.content_part.added', content_index: 0, content: { type: 'output_text', text: '', annotations: [] } } },
  delta('msg_2', 'Do'),
  delta('msg_2', 'ne.'),
];

describe('reduce', () => {
  test('builds a turn from its events', () => {
    const items = run(turn);
    expect(items.map((i) => i.type)).toEqual(['user_message', 'workflow', 'assistant_message']);
    expect((items[1] as WorkflowItem).workflow.tasks).toEqual([{ type: 'custom', title: 'Added', status_indicator: 'complete' }]);
    expect(textOf(items[2]!)).toBe('Done.');
  });

  test('a stream replayed from its start gives the same, not twice as much', () => {
    expect(run(turn, run(turn))).toEqual(run(turn));
  });

  // Another server knows only what is durable, and tells it from the start.
  test('a turn told again by another server from its start gives each item once, in order', () => {
    const durable: StreamEvent[] = [
      { type: 'thread.item.done', item: question('msg_1') },
      { type: 'thread.item.done', item: { ...workflow('wf_1'), workflow: { type: 'custom', tasks: [], summary: { duration: 1 }, expanded: false } } },
      { type: 'thread.item.done', item: answer('msg_2', 'Done.') },
      { type: 'thread.item.done', item: answer('msg_3', 'More.') },
    ];
    for (let cut = 0; cut <= turn.length; cut++) expect(run(durable, run(turn.slice(0, cut))), `after ${cut} events`).toEqual(run(durable));
  });

  test('done has the last word', () => {
    const items = run([...turn, { type: 'thread.item.done', item: answer('msg_2', 'Done!') }]);
    expect(textOf(items[2]!)).toBe('Done!');
  });

  test('removed and replaced', () => {
    expect(run([...turn, { type: 'thread.item.removed', item_id: 'wf_1' }]).map((i) => i.id)).toEqual(['msg_1', 'msg_2']);
    expect(textOf(run([...turn, { type: 'thread.item.replaced', item: question('msg_1', 'other') }])[0]!)).toBe('other');
  });

  test('parts and annotations in any order; unknown items and updates do no harm', () => {
    const source = { type: 'url' as const, title: 't', url: 'https://x.org' };
    const items = run([
      ...turn,
      delta('msg_2', 'second', 1),
      { type: 'thread.item.updated', item_id: 'msg_2', update: { type: 'assistant_message.content_part.annotation_added', content_index: 1, annotation_index: 1, annotation: { source } } },
      delta('msg_9', 'nobody'),
      { type: 'thread.item.updated', item_id: 'msg_2', update: { type: 'widget.root.updated' } as never },
      { type: 'of.a.later.protocol' } as never,
    ]);
    expect(textOf(items[2]!)).toBe('Done.\n\nsecond');
    expect((items[2] as AssistantMessage).content[1]!.annotations).toEqual([{ source }]);
  });

  test('leaves the items it does not touch as they are', () => {
    const before = run(turn);
    const after = reduce(before, delta('msg_2', ' More.'));
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after[2]).not.toBe(before[2]);
  });
});

test('unanswered', () => {
  const end: Item = { ...base('end'), type: 'end_of_turn' };
  expect(unanswered([])).toBe(false);
  expect(unanswered([question('a')])).toBe(true);
  expect(unanswered([question('a'), workflow('b')])).toBe(true);
  expect(unanswered([question('a'), workflow('b'), end])).toBe(false);
  expect(unanswered([question('a'), end])).toBe(true);
  expect(unanswered([question('a'), answer('b', 'x')])).toBe(false);
  expect(unanswered([question('a'), answer('b', 'x'), mark('Stopped')])).toBe(false);
});

const mark = (title: string, content?: string): Item => ({ ...base('cut_1'), type: 'task', task: { type: 'custom', title, ...(content && { content }) } });

test('cutOff tells of an answer that is not whole', () => {
  expect(cutOff(mark('Stopped'))).toBe('You stopped this answer.');
  expect(cutOff(mark('Not finished', 'The model is away.'))).toBe('This answer was not finished. The model is away.');
  expect(cutOff({ ...mark('Stopped'), id: 'tsk_1' })).toBe('');
  expect(cutOff(answer('cut_1', 'x'))).toBe('');
  expect(cutOff(undefined)).toBe('');
});

test('lastAnswer joins what came after the last question', () => {
  expect(lastAnswer([question('a'), answer('b', 'old'), question('c'), answer('d', 'one'), workflow('e'), answer('f', 'two')])).toBe('one\n\ntwo');
});

test('prepend turns a page round and drops what is known', () => {
  expect(prepend([question('c')], [question('c'), question('b'), question('a')]).map((i) => i.id)).toEqual(['a', 'b', 'c']);
});
