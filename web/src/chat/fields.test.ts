import { expect, test } from 'vitest';
import { lengthOf } from './length';
import { readTags } from './tags';

test('readTags', () => {
  expect(readTags('home, #errands  home,, #')).toEqual(['home', 'errands']);
  expect(readTags('  ')).toEqual([]);
  expect(readTags(Array.from({ length: 30 }, (_, i) => `t${i}`).join(' '))).toHaveLength(20);
});

test('lengthOf counts an emoji once', () => {
  expect(lengthOf('🥛'.repeat(32_001))).toBe(32_001);
  expect(lengthOf('a'.repeat(32_005))).toBe(32_005);
});
