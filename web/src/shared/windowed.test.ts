import { expect, test } from 'vitest';
import { partition } from './windowed';

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));
const keyOf = (s: string) => s;
const firsts = (chunks: string[][]) => new Set(chunks.map((c) => c[0]!));

test('chunks keep their beginnings when items come before, behind and between', () => {
  const before = partition(numbers(100, 200), keyOf, new Set());
  expect(before.flat()).toEqual(numbers(100, 200));
  expect(Math.max(...before.map((c) => c.length))).toBeLessThanOrEqual(24);

  const longer = numbers(70, 210);
  const after = partition(longer, keyOf, firsts(before));
  expect(after.flat()).toEqual(longer);
  for (const chunk of before.slice(0, -1)) expect(after).toContainEqual(chunk);

  const without = longer.filter((s) => s !== '110');
  const third = partition(without, keyOf, firsts(after));
  expect(third.flat()).toEqual(without);
  expect(third.filter((c) => !after.some((a) => a.join() === c.join()))).toHaveLength(1);
});
