// Everything about one task, to be changed field by field. A field is saved
// when it is left.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon, IconButton } from '../shared/icons';
import { maxDescription, maxTitle, type Priority, type Task, type TaskPatch } from '../shared/tasks';
import { fullTime, shortTime } from '../shared/time';
import { fromFields, toFields } from './grouping';
import { readTags } from './tags';
import { patch, remove } from './tasks';

const priorities: readonly { value: Priority | ''; label: string }[] = [
  { value: '', label: 'None' },
  { value: 'low', label: 'Low' },
  { value: 'medium', label: 'Medium' },
  { value: 'high', label: 'High' },
];

export function TaskDrawer({ task, close }: { task: Task; close: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  const save = (fields: TaskPatch) => void patch(task, fields);
  useEffect(() => box.current!.querySelector<HTMLElement>('textarea')?.focus(), []);
  const { date, time } = toFields(task.due_at);
  const [day, setDay] = useState(date);
  useEffect(() => setDay(date), [date]);
  const tags = (task.tags ?? []).join(', ');
  return (
    <div
      class="drawer"
      role="dialog"
      aria-label={`Task: ${task.title}`}
      ref={box}
      onKeyDown={(e) => {
        if (e.key !== 'Escape') return;
        e.stopPropagation();
        (document.activeElement as HTMLElement | null)?.blur(); // saves
        close();
      }}
    >
      <header class="pane-head">
        <label class="drawer-done">
          <input type="checkbox" checked={task.completed} onChange={() => save({ completed: !task.completed })} />
          {task.completed ? 'Done' : 'Open'}
        </label>
        <IconButton name="close" label="Close" title="Close (Esc)" onClick={close} />
      </header>
      <div class="drawer-body">
        <Field label="Title" value={task.title} max={maxTitle} required big onSave={(title) => save({ title })} />
        <div class="field-row">
          <label>
            Due
            <input
              type="date"
              value={day}
              onInput={(e) => setDay(e.currentTarget.value)}
              onBlur={(e) => e.currentTarget.value !== date && save({ due_at: fromFields(e.currentTarget.value, time) })}
            />
          </label>
          <label>
            Time
            <input
              type="time"
              value={time}
              disabled={date === ''}
              onBlur={(e) => e.currentTarget.value !== time && save({ due_at: fromFields(date, e.currentTarget.value) })}
            />
          </label>
        </div>
        <div class="field" role="radiogroup" aria-labelledby="task-priority">
          <span class="field-label" id="task-priority">Priority</span>
          <div class="segments wide">
            {priorities.map(({ value, label }) => (
              <label key={value}>
                <input
                  type="radio"
                  name="priority"
                  checked={(task.priority ?? '') === value}
                  onChange={() => save({ priority: value === '' ? null : value })}
                />
                <span>{label}</span>
              </label>
            ))}
          </div>
        </div>
        <Field
          label="Tags"
          value={tags}
          placeholder="home, errands"
          onSave={(text) => {
            const next = readTags(text);
            save({ tags: next.length > 0 ? next : null });
          }}
        />
        <Field
          label="Description"
          value={task.description ?? ''}
          max={maxDescription}
          lines={5}
          onSave={(text) => save({ description: text === '' ? null : text })}
        />
        <p class="hint">
          Added <time dateTime={task.created_at} title={fullTime(task.created_at)}>{shortTime(task.created_at)}</time>
          {task.completed_at && (
            <>
              {' '}· done <time dateTime={task.completed_at} title={fullTime(task.completed_at)}>{shortTime(task.completed_at)}</time>
            </>
          )}
        </p>
      </div>
      <footer class="drawer-foot">
        <button
          type="button"
          class="small danger"
          onClick={() => {
            close();
            remove(task);
          }}
        >
          <Icon name="trash" size={14} /> Delete
        </button>
      </footer>
    </div>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onSave: (value: string) => void;
  max?: number;
  lines?: number;
  required?: boolean;
  big?: boolean;
  placeholder?: string;
}

function Field({ label, value, onSave, max, lines, required, big, placeholder }: FieldProps) {
  const [text, setText] = useState(value);
  const [touched, setTouched] = useState(false);
  // What changes elsewhere shows here, unless the person is writing.
  useEffect(() => {
    if (!touched) setText(value);
  }, [value, touched]);
  const left = (max ?? Infinity) - text.length;
  const save = () => {
    setTouched(false);
    const next = text.trim();
    if (next === value.trim()) return;
    if (required && next === '') setText(value);
    else onSave(next);
  };
  return (
    <label class={big ? 'field big' : 'field'}>
      <span class="field-label">
        {label}
        {left < 100 && <span class="field-left">{left} left</span>}
      </span>
      <textarea
        rows={lines ?? 1}
        value={text}
        maxLength={max}
        placeholder={placeholder}
        onInput={(e) => {
          setTouched(true);
          setText(e.currentTarget.value);
        }}
        onBlur={save}
        onKeyDown={(e) => {
          if (e.key === 'Enter' && lines === undefined) {
            e.preventDefault();
            e.currentTarget.blur();
          }
        }}
      />
    </label>
  );
}
