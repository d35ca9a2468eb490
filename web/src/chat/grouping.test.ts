import { describe, expect, test } from 'vitest';
import type { Task } from '../shared/tasks';
import { dueText, fromFields, group, select, toFields } from './grouping';

const now = new Date(2026, 10, 23, 12, 0); // a Monday, local time
let n = 0;
function task(title: string, due?: Date, more: Partial<Task> = {}): Task {
  const at = new Date(2026, 10, 1, 0, 0, n++).toISOString();
  return { id: `tsk_${n}`, title, status: 'pending', completed: false, created_at: at, updated_at: at, ...(due && { due_at: due.toISOString() }), ...more };
}
const shown = (tasks: Task[]) => group(tasks, now).map((g) => `${g.name}: ${g.tasks.map((t) => t.title).join(', ')}`);

describe('group', () => {
  test('goes by the local day; a time that has passed is overdue, a whole day is not', () => {
    expect(
      shown([
        task('later', new Date(2026, 10, 25)),
        task('none'),
        task('tomorrow late', new Date(2026, 10, 24, 23, 59)),
        task('today', new Date(2026, 10, 23)),
        task('today end', new Date(2026, 10, 23, 23, 59)),
        task('noon passed', new Date(2026, 10, 23, 11, 59)),
        task('evening', new Date(2026, 10, 23, 20)),
        task('yesterday', new Date(2026, 10, 22)),
        task('done', new Date(2026, 10, 20), { completed: true, status: 'completed' }),
        task('tomorrow', new Date(2026, 10, 24)),
      ]),
    ).toEqual([
      'Overdue: yesterday, noon passed',
      'Today: today, evening, today end',
      'Tomorrow: tomorrow, tomorrow late',
      'Later: later',
      'No date: none',
      'Done: done',
    ]);
  });

  test('orders by due time, then priority, then the newest; done by completion', () => {
    const day = new Date(2026, 10, 24);
    expect(
      shown([
        task('old', day),
        task('low', day, { priority: 'low' }),
        task('new', day),
        task('high', day, { priority: 'high' }),
        task('first done', undefined, { completed: true, completed_at: '2026-11-20T10:00:00Z' }),
        task('last done', undefined, { completed: true, completed_at: '2026-11-20T12:00:00+01:00' }),
      ]),
    ).toEqual(['Tomorrow: high, low, new, old', 'Done: last done, first done']);
  });

  test('is quick with 10,000', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => task(`t${i}`, i % 3 ? new Date(2026, 10, 1 + (i % 60)) : undefined));
    const begin = performance.now();
    expect(group(many, now).reduce((sum, g) => sum + g.tasks.length, 0)).toBe(10_000);
    expect(performance.now() - begin).toBeLessThan(500);
  });
});

test('select wants the filter and every word; # asks for a tag', () => {
  const all = [
    task('Buy milk', undefined, { tags: ['home'] }),
    task('Call Anna', undefined, { description: 'about the milk', completed: true }),
    task('home office'),
  ];
  const titles = (...args: Parameters<typeof select>) => select(...args).map((t) => t.title);
  expect(titles(all, 'all', 'MILK')).toEqual(['Buy milk', 'Call Anna']);
  expect(titles(all, 'open', 'milk')).toEqual(['Buy milk']);
  expect(titles(all, 'done', '')).toEqual(['Call Anna']);
  expect(titles(all, 'all', 'milk anna')).toEqual(['Call Anna']);
  expect(titles(all, 'all', '#home')).toEqual(['Buy milk']);
  expect(titles(all, 'all', 'home')).toEqual(['Buy milk', 'home office']);
});

describe('due times', () => {
  test('fields and back', () => {
    const whole = new Date(2026, 2, 9).toISOString();
    expect(toFields(whole)).toEqual({ date: '2026-03-09', time: '' });
    expect(fromFields('2026-03-09', '')).toBe(whole);
    const timed = new Date(2026, 2, 9, 8, 5).toISOString();
    expect(toFields(timed)).toEqual({ date: '2026-03-09', time: '08:05' });
    expect(fromFields('2026-03-09', '08:05')).toBe(timed);
    expect(fromFields('', '08:05')).toBeNull();
    expect(toFields(undefined)).toEqual({ date: '', time: '' });
  });

  test('text leaves out what the group says', () => {
    const at = (day: number, hour = 0) => new Date(2026, 10, day, hour).toISOString();
    expect(dueText(at(24), now, 'Tomorrow')).toBe('');
    expect(dueText(at(24), now, 'Done')).toBe('Tomorrow');
    expect(dueText(at(22), now, 'Overdue')).toBe('Yesterday');
    expect(dueText(at(27), now, 'Later')).toBe('Fri');
    expect(dueText(at(23, 9), now, 'Today')).toMatch(/9:00/);
  });
});
