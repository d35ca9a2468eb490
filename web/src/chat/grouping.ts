// How tasks are grouped, ordered, filtered and dated. Pure: now is passed in.
import type { Task } from '../shared/tasks';

export type GroupName = 'Overdue' | 'Today' | 'Tomorrow' | 'Later' | 'No date' | 'Done';
export const groupNames: readonly GroupName[] = ['Overdue', 'Today', 'Tomorrow', 'Later', 'No date', 'Done'];

export interface Group {
  name: GroupName;
  tasks: Task[];
}

export type Filter = 'all' | 'open' | 'done';

const rank = { high: 0, medium: 1, low: 2, none: 3 };

/** The first moment of the local day that lies days after the one of now. */
export function startOfDay(now: Date, days = 0): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
}

/** Whether a due time is only a day: midnight, or the day's last minute. */
export function isWholeDay(due: Date): boolean {
  const minutes = due.getHours() * 60 + due.getMinutes();
  return minutes === 0 || minutes === 23 * 60 + 59;
}

/** Groups tasks by their due day in local time; empty groups are left out. */
export function group(tasks: Iterable<Task>, now: Date): Group[] {
  const today = startOfDay(now).getTime();
  const tomorrow = startOfDay(now, 1).getTime();
  const after = startOfDay(now, 2).getTime();
  const groups = new Map<GroupName, Task[]>(groupNames.map((name) => [name, []]));
  for (const task of tasks) {
    groups.get(place(task))!.push(task);
  }
  for (const [name, list] of groups) list.sort(name === 'Done' ? byCompletion : name === 'No date' ? byAge : byDue);
  return groupNames.map((name) => ({ name, tasks: groups.get(name)! })).filter((g) => g.tasks.length > 0);

  function place(task: Task): GroupName {
    if (task.completed) return 'Done';
    if (!task.due_at) return 'No date';
    const due = new Date(task.due_at);
    const at = due.getTime();
    if (at < today || (at < now.getTime() && !isWholeDay(due))) return 'Overdue';
    if (at < tomorrow) return 'Today';
    return at < after ? 'Tomorrow' : 'Later';
  }
}

function byDue(a: Task, b: Task): number {
  return compare(a.due_at!, b.due_at!) || priority(a) - priority(b) || byAge(a, b);
}

function byAge(a: Task, b: Task): number {
  return compare(b.created_at, a.created_at) || compare(b.id, a.id);
}

function byCompletion(a: Task, b: Task): number {
  return compare(b.completed_at ?? b.updated_at, a.completed_at ?? a.updated_at) || compare(b.id, a.id);
}

function priority(task: Task): number {
  return rank[task.priority ?? 'none'];
}

// compare orders RFC 3339 times of any zone and precision, and ids.
function compare(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [Date.parse(a), Date.parse(b)];
  return (x !== y && x - y) || (a < b ? -1 : 1);
}

/** The tasks that match a filter and every word of a search; a word with # asks for a tag. */
export function select(tasks: Iterable<Task>, filter: Filter, search: string): Task[] {
  const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found: Task[] = [];
  for (const task of tasks) {
    if (filter !== 'all' && task.completed !== (filter === 'done')) continue;
    if (words.every((word) => has(task, word))) found.push(task);
  }
  return found;
}

function has(task: Task, word: string): boolean {
  if (word.length > 1 && word.startsWith('#')) {
    return (task.tags ?? []).some((tag) => tag.toLocaleLowerCase().startsWith(word.slice(1)));
  }
  return (
    task.title.toLocaleLowerCase().includes(word) ||
    (task.description ?? '').toLocaleLowerCase().includes(word) ||
    (task.tags ?? []).some((tag) => tag.toLocaleLowerCase().includes(word))
  );
}

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const dayMonth = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayMonthYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });

/** A due time in a few characters; inGroup leaves out what the group's name says. */
export function dueText(iso: string, now: Date, inGroup: GroupName): string {
  const due = new Date(iso);
  const time = isWholeDay(due) ? '' : clock.format(due);
  const days = Math.round((startOfDay(due).getTime() - startOfDay(now).getTime()) / 86_400_000);
  let day: string;
  if (days === 0) day = inGroup === 'Today' ? '' : 'Today';
  else if (days === 1) day = inGroup === 'Tomorrow' ? '' : 'Tomorrow';
  else if (days === -1) day = 'Yesterday';
  else if (days > 1 && days < 7) day = weekday.format(due);
  else day = (due.getFullYear() === now.getFullYear() ? dayMonth : dayMonthYear).format(due);
  return [day, time].filter(Boolean).join(' ');
}

/** The values of a date and a time field for a due time; time is '' for a whole day. */
export function toFields(iso: string | undefined): { date: string; time: string } {
  if (!iso) return { date: '', time: '' };
  const due = new Date(iso);
  const two = (n: number) => String(n).padStart(2, '0');
  return {
    date: `${String(due.getFullYear()).padStart(4, '0')}-${two(due.getMonth() + 1)}-${two(due.getDate())}`,
    time: isWholeDay(due) ? '' : `${two(due.getHours())}:${two(due.getMinutes())}`,
  };
}

/** The due time that a date and a time field say in local time; null for no date. */
export function fromFields(date: string, time: string): string | null {
  if (date === '') return null;
  const due = new Date(`${date}T${time || '00:00'}:00`);
  return Number.isNaN(due.getTime()) ? null : due.toISOString();
}
