import { useRef, useState } from 'preact/hooks';
import { Icon, IconButton } from '../shared/icons';
import { memo } from '../shared/memo';
import { maxTitle, type Task } from '../shared/tasks';
import { TitleField } from '../shared/title-field';
import { dueText, type GroupName } from './grouping';
import { patch, remove } from './tasks';

interface Props {
  task: Task;
  group: GroupName;
  open: (id: string) => void;
}

const priorityText = { high: 'High', medium: 'Medium', low: 'Low' };

export const TaskRow = memo<Props>(({ task, group, open }) => {
  const [editing, setEditing] = useState(false);
  const title = useRef<HTMLButtonElement>(null);
  const row = useRef<HTMLDivElement>(null);
  const saved = !task.id.startsWith('new_');
  const due = task.due_at && group !== 'Done' ? dueText(task.due_at, new Date(), group) : '';
  const tags = task.tags ?? [];
  const stop = () => {
    setEditing(false);
    requestAnimationFrame(() => title.current?.focus());
  };
  // The row goes elsewhere or away; the focus goes to the next one.
  const leave = (selector: string, then: () => void) => {
    const rows = [...(row.current!.closest('.scroll')?.querySelectorAll('[data-row]') ?? [])];
    const at = rows.indexOf(row.current!);
    const held = row.current!.contains(document.activeElement);
    const next = (rows[at + 1] ?? rows[at - 1])?.querySelector<HTMLElement>(selector);
    then();
    if (held) requestAnimationFrame(() => document.activeElement === document.body && next?.focus());
  };
  return (
    <div class="task" role="listitem" ref={row} data-row data-done={task.completed} data-group={group}>
      <input
        type="checkbox"
        checked={task.completed}
        disabled={!saved}
        aria-label={`Done: ${task.title}`}
        onChange={() => leave('input', () => void patch(task, { completed: !task.completed }))}
      />
      {editing ? (
        <TitleField
          label="Title of the task"
          max={maxTitle}
          title={task.title}
          onDone={(value) => {
            stop();
            const next = value.trim();
            if (next !== '' && next !== task.title) void patch(task, { title: next });
          }}
          onCancel={stop}
        />
      ) : (
        <button
          type="button"
          class="task-title"
          ref={title}
          disabled={!saved}
          title="Edit the title (F2)"
          onClick={() => setEditing(true)}
          onKeyDown={(e) => {
            if (e.key === 'F2') setEditing(true);
            else if (e.key === 'Delete') leave('.task-title', () => remove(task));
          }}
        >
          {task.title}
        </button>
      )}
      <IconButton
        name="more"
        id={`more-${task.id}`}
        class="quiet more"
        disabled={!saved}
        label={`Details of ${task.title}`}
        title="Details"
        onClick={() => open(task.id)}
      />
      {(due || task.priority || tags.length > 0 || task.description) && (
        <span class="task-facts">
          {due && <time dateTime={task.due_at}>{due}</time>}
          {task.priority && (
            <span class="flag" data-priority={task.priority}>
              <Icon name="flag" size={12} /> {priorityText[task.priority]}
            </span>
          )}
          {tags.slice(0, 4).map((tag) => (
            <span key={tag} class="tag">
              #{tag}
            </span>
          ))}
          {tags.length > 4 && <span>+{tags.length - 4}</span>}
          {task.description && (
            <span class="task-words">
              <Icon name="notes" size={12} /> {task.description}
            </span>
          )}
        </span>
      )}
    </div>
  );
});
