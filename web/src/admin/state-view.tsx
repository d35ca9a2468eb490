// A state as it was: a list of tasks, or the items of a thread.
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../shared/icons';
import { Windowed } from '../shared/windowed';
import type { Step } from './api';
import { exactTime, json, plural, time } from './format';
import type { Part, State } from './timeline';

interface Props {
  state: State;
  step: Step;
  stream: string;
}

const keyOf = (part: Part) => part.id ?? '';
const text = (value: unknown) => (typeof value === 'string' ? value : '');

export function StateView({ state, step, stream }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const tasks = stream.startsWith('user-');
  const parts: Part[] = [...state].filter(([id]) => id !== 'thread').map(([id, part]) => ({ ...part, id }));
  if (tasks) parts.reverse(); // newest first, as the API lists them
  const thread = state.get('thread');
  useEffect(() => {
    root.current?.querySelector('[data-touched=true]')?.scrollIntoView({ block: 'nearest' });
  }, [step]);
  const done = parts.filter((part) => part['completed'] === true).length;
  return (
    <section class="state" aria-label="State at that point">
      <h2>
        {tasks ? 'Tasks' : text(thread?.['title']) || 'Thread'}
        <small>{tasks ? `${parts.length - done} open, ${done} done` : plural(parts.length, 'item')}</small>
      </h2>
      <div class="scroll" ref={root} tabIndex={0} role="region" aria-label="State">
        {parts.length === 0 && <p class="hint">{tasks ? 'No tasks at that point.' : 'No items at that point.'}</p>}
        {parts.length > 0 && (
          <div role="list">
            <Windowed
              root={root}
              items={parts}
              keyOf={keyOf}
              estimate={tasks ? 34 : 60}
              from="start"
              version={step}
              render={(part) => {
                const touched = part.id === step.subject;
                return tasks ? <Task key={part.id} part={part} touched={touched} step={step} /> : <Item key={part.id} part={part} touched={touched} step={step} />;
              }}
            />
          </div>
        )}
      </div>
    </section>
  );
}

interface PartProps {
  part: Part;
  touched: boolean;
  step: Step;
}

function Task({ part, touched, step }: PartProps) {
  const done = part['completed'] === true;
  const due = text(part['due_at']);
  const tags = Array.isArray(part['tags']) ? part['tags'].map(String) : [];
  return (
    <div class="part" role="listitem" data-touched={touched} data-done={done}>
      <span class="box" data-done={done} role="img" aria-label={done ? 'Done' : 'Open'}>
        {done && <Icon name="check" size={12} />}
      </span>
      <span class="part-text">{text(part['title'])}</span>
      <Badge touched={touched} step={step} />
      <span class="part-facts">
        {due && <time dateTime={due} title={exactTime(due)}>due {time(due)}</time>}
        {text(part['priority'])} {tags.map((tag) => `#${tag}`).join(' ')}
      </span>
    </div>
  );
}

const speakers: Record<string, string> = { user_message: 'User', assistant_message: 'Answer', workflow: 'Steps', client_tool_call: 'Tool call', hidden_context_item: 'Hidden', sdk_hidden_context: 'Hidden', end_of_turn: 'End of turn' };

function Item({ part, touched, step }: PartProps) {
  const type = text(part['type']);
  return (
    <div class="part item" role="listitem" data-touched={touched} data-type={type}>
      <span class="speaker">{speakers[type] ?? type}</span>
      <Badge touched={touched} step={step} />
      <span class="part-text">{wordsOf(part)}</span>
    </div>
  );
}

function Badge({ touched, step }: { touched: boolean; step: Step }) {
  if (!touched) return null;
  return <span class="badge" data-tone={step.before ? 'warn' : 'ok'}>{step.before ? 'changed' : 'added'}</span>;
}

/** The words of an item: of a message its text, of steps their titles, else what it is as JSON. */
function wordsOf(part: Part): string {
  const content = part['content'];
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return content.map((c: Record<string, unknown>) => text(c['text'])).join('\n\n');
  const steps = (part['workflow'] as { tasks?: { title?: string; content?: string }[] } | undefined)?.tasks;
  if (steps) return steps.map((s) => s.title || s.content || '').join('\n');
  const { id: _, type: __, thread_id: ___, created_at: ____, ...rest } = part;
  return json(rest);
}
