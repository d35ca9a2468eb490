import { computed, signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { useLasting, useNow, useSecondsUntil } from '../shared/hooks';
import { Icon } from '../shared/icons';
import { Problem, Skeleton } from '../shared/problem';
import { maxTitle, type Task } from '../shared/tasks';
import { Windowed } from '../shared/windowed';
import { group, select, type Filter, type Group } from './grouping';
import { arrows } from './keys';
import { TaskDrawer } from './task-drawer';
import { TaskRow } from './task-row';
import { add, followTasks, retryAt, tasks, tasksError, tasksState } from './tasks';

const filter = signal<Filter>('all');
const search = signal('');
const doneOpen = signal(false);
/** The task whose drawer is open. */
const opened = signal('');
const minute = signal(0);

const groups = computed(() => {
  void minute.value; // a task becomes overdue while the page is open
  return group(select(tasks.value.values(), filter.value, search.value), new Date());
});

const keyOf = (task: Task) => task.id;
const filters: readonly { name: Filter; label: string }[] = [
  { name: 'all', label: 'All' },
  { name: 'open', label: 'Open' },
  { name: 'done', label: 'Done' },
];

export function TaskPane() {
  const root = useRef<HTMLDivElement>(null);
  minute.value = Math.floor(useNow(30_000) / 60_000);
  const state = tasksState.value;
  const skeleton = useLasting(state === 'loading');
  const task = tasks.value.get(opened.value);
  const close = () => {
    const id = opened.value;
    opened.value = '';
    requestAnimationFrame(() => document.getElementById(`more-${id}`)?.focus());
  };
  return (
    <section class="pane tasks" aria-label="Tasks" data-pane="tasks">
      <header class="pane-head">
        <h2>Tasks</h2>
        <div class="segments" role="group" aria-label="Show">
          {filters.map(({ name, label }) => (
            <button key={name} type="button" aria-pressed={filter.value === name} onClick={() => (filter.value = name)}>
              {label}
            </button>
          ))}
        </div>
      </header>
      <div class="task-search">
        <Icon name="search" size={14} />
        <input
          id="task-search"
          type="search"
          placeholder="Search"
          aria-label="Search tasks"
          value={search.value}
          onInput={(e) => (search.value = e.currentTarget.value)}
          onKeyDown={(e) => e.key === 'Escape' && ((search.value = ''), e.currentTarget.blur())}
        />
      </div>
      <AddTask />
      <RetryLine />
      <div class="scroll" ref={root} tabIndex={-1} onKeyDown={arrows}>
        {skeleton && <Skeleton label="Loading tasks" />}
        {state === 'failed' && <Problem retry={followTasks}>The tasks could not be loaded. {tasksError.value}</Problem>}
        {state === 'ready' && groups.value.length === 0 && <Empty />}
        {groups.value.map((g) => (
          <GroupView key={g.name} group={g} root={root} />
        ))}
      </div>
      {task && <TaskDrawer key={task.id} task={task} close={close} />}
    </section>
  );
}

function Empty() {
  if (search.value !== '') return <p class="hint">No task matches “{search.value}”.</p>;
  if (filter.value === 'done') return <p class="hint">Nothing is done yet.</p>;
  if (tasks.value.size > 0) return <p class="hint">Nothing is left. Well done.</p>;
  return <p class="hint">No tasks yet. Add one above, or tell the chat: “Add buy milk tomorrow”.</p>;
}

function AddTask() {
  const field = useRef<HTMLInputElement>(null);
  const submit = (e: Event) => {
    e.preventDefault();
    const title = field.current!.value;
    if (title.trim() === '') return;
    field.current!.value = '';
    void add(title);
  };
  return (
    <form class="task-add" onSubmit={submit}>
      <Icon name="add" size={14} />
      <input id="task-add" ref={field} placeholder="Add a task" aria-label="Add a task" maxLength={maxTitle} autocomplete="off" enterkeyhint="done" />
    </form>
  );
}

function RetryLine() {
  const seconds = useSecondsUntil(retryAt.value);
  if (retryAt.value === 0) return null;
  return (
    <p class="retry-line" role="status">
      The server is busy. <span aria-hidden="true">Trying again in {seconds} s.</span>
    </p>
  );
}

function GroupView({ group: g, root }: { group: Group; root: { current: Element | null } }) {
  // Done is folded, unless it is what was asked for.
  const foldable = g.name === 'Done' && filter.value !== 'done' && search.value === '';
  const open = !foldable || doneOpen.value;
  const id = `group-${g.name.replace(' ', '-')}`;
  return (
    <section class="group" aria-labelledby={id} data-group={g.name}>
      <h3 id={id}>
        {foldable ? (
          <button type="button" aria-expanded={open} onClick={() => (doneOpen.value = !open)}>
            <Icon name="chevron" size={12} /> {g.name} <span class="count">{g.tasks.length}</span>
          </button>
        ) : (
          <>
            {g.name} <span class="count">{g.tasks.length}</span>
          </>
        )}
      </h3>
      {open && (
        <div role="list">
          <Windowed
            root={root}
            items={g.tasks}
            keyOf={keyOf}
            estimate={34}
            from="start"
            version={minute.value}
            render={(task) => <TaskRow key={task.id} task={task} group={g.name} open={openDrawer} />}
          />
        </div>
      )}
    </section>
  );
}

function openDrawer(id: string): void {
  opened.value = id;
}
