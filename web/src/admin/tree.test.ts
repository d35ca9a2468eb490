import { expect, test } from 'vitest';
import type { TraceNode } from './api';
import { find, layout, related, times } from './tree';

const at = (ms: number) => new Date(1_700_000_000_000 + ms).toISOString();
const event = { kind: 'event', id: 'e', title: 'added', events: [{ id: 'uuid' }] } as unknown as TraceNode;
const root: TraceNode = {
  kind: 'request', id: 'r', title: 'r', start: at(0), duration_ms: 100,
  children: [{
    kind: 'model', id: 'm', title: 'm', start: at(10), duration_ms: 80,
    children: [
      { kind: 'tool', id: 't1', title: 't1', start: at(20), duration_ms: 30, children: [event] },
      { kind: 'tool', id: 't2', title: 't2', start: at(40), duration_ms: 20 },
    ],
  }],
};

test('levels go to the right where they fit, and downwards where they do not', () => {
  const wide = layout(root, 1100);
  expect(wide.wide).toBe(true);
  expect(wide.width).toBeLessThanOrEqual(1100);
  const narrow = layout(root, 360);
  expect(narrow.wide).toBe(false);
  for (const { boxes, width, height } of [wide, narrow]) {
    for (const a of boxes) {
      expect(a.x).toBeGreaterThanOrEqual(0);
      expect(a.y).toBeGreaterThanOrEqual(0);
      expect(a.x + a.width).toBeLessThanOrEqual(width);
      expect(a.y + 50).toBeLessThanOrEqual(height);
      for (const b of boxes) if (a !== b) expect(Math.abs(a.y - b.y) >= 50 || Math.abs(a.x - b.x) >= Math.min(a.width, b.width)).toBe(true);
    }
  }
});

test('an event leads to its node, and from there to causes and effects', () => {
  const { boxes } = layout(root, 1100);
  const box = find(boxes, 'uuid')!;
  expect(box.node.id).toBe('e');
  const ids = (paths: Set<string>) => boxes.filter((b) => paths.has(b.path)).map((b) => b.node.id);
  expect(ids(related(boxes, box, 'causes'))).toEqual(['r', 'm', 't1', 'e']);
  expect(ids(related(boxes, find(boxes, 'm')!, 'effects'))).toEqual(['m', 't1', 'e', 't2']);
});

test('shares of the time add up, and tools that run at once count once', () => {
  const { spent, total } = times(layout(root, 1100).boxes);
  expect(total).toBe(100);
  expect(spent).toEqual([{ kind: 'model', ms: 40 }, { kind: 'tool', ms: 40 }, { kind: 'rest', ms: 20 }]);
});
