import { expect, test } from 'vitest';
import { retryAfter } from './http';

test.each([
  [null, undefined],
  ['3', 3],
  ['0', 0],
  ['-1', 0],
  ['soon', undefined],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 8],
])('Retry-After: %s', (value, want) => expect(retryAfter(value, 2000)).toBe(want));
