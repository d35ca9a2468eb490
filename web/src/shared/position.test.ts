import { expect, test } from 'vitest';
import { isLater } from './position';

test('positions are compared as numbers, of any size, one or two', () => {
  expect(isLater('10', '9')).toBe(true);
  expect(isLater('9', '10')).toBe(false);
  expect(isLater('9', '9')).toBe(false);
  expect(isLater('18446744073709551615', '18446744073709551614')).toBe(true);
  expect(isLater('7/6', '7/5')).toBe(true);
  expect(isLater('7', '7/6')).toBe(true);
  expect(isLater('7/6', '7')).toBe(false);
  expect(isLater('8/1', '7/6')).toBe(true);
  expect(isLater('1', '')).toBe(true);
  expect(isLater('', '1')).toBe(false);
});
