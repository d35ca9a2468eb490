// Where the boxes of a causal tree go, and where its time went.
import type { Kind, TraceNode } from './api';

export interface Box {
  node: TraceNode;
  /** Its place in the tree, as 0.2.1: ids may occur twice. */
  path: string;
  depth: number;
  parent: Box | undefined;
  x: number;
  y: number;
  width: number;
}

export interface Picture {
  boxes: Box[];
  width: number;
  height: number;
  /** Levels go to the right; else each node has a line of its own, set in by its level. */
  wide: boolean;
}

export const boxHeight = 50;
const gapX = 28;
const gapY = 12;
const indent = 18;

/** Lays a tree out for a width in px: to the right when its levels fit, else downwards. */
export function layout(root: TraceNode, room: number): Picture {
  const boxes: Box[] = [];
  const visit = (node: TraceNode, path: string, depth: number, parent: Box | undefined) => {
    const box: Box = { node, path, depth, parent, x: 0, y: 0, width: 0 };
    boxes.push(box);
    node.children?.forEach((child, i) => visit(child, `${path}.${i}`, depth + 1, box));
  };
  visit(root, '0', 0, undefined);

  const levels = Math.max(...boxes.map((box) => box.depth)) + 1;
  const width = Math.min(230, Math.floor((room - (levels - 1) * gapX) / levels));
  const wide = width >= 148;
  if (!wide) {
    boxes.forEach((box, i) => Object.assign(box, { x: box.depth * indent, y: i * (boxHeight + gapY), width: Math.max(120, room - box.depth * indent) }));
    return { boxes, width: room, height: boxes.length * (boxHeight + gapY) - gapY, wide };
  }
  let line = 0;
  for (const box of boxes.toReversed()) {
    // Children come after their parent: from the end, they are placed before it.
    box.width = width;
    box.x = box.depth * (width + gapX);
    const children = boxes.filter((other) => other.parent === box);
    box.y = children.length > 0 ? (children[0]!.y + children.at(-1)!.y) / 2 : -(++line * (boxHeight + gapY));
  }
  const top = Math.min(...boxes.map((box) => box.y));
  for (const box of boxes) box.y -= top;
  return { boxes, width: levels * (width + gapX) - gapX, height: Math.max(...boxes.map((box) => box.y)) + boxHeight, wide };
}

/** The line from a node to one of its children. */
export function edge(from: Box, to: Box, wide: boolean): string {
  const [y1, y2] = [from.y + boxHeight / 2, to.y + boxHeight / 2];
  if (!wide) return `M${from.x + indent / 2} ${from.y + boxHeight}V${y2}H${to.x}`;
  const [x1, x2] = [from.x + from.width, to.x];
  const half = (x1 + x2) / 2;
  return `M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}`;
}

/** The node that an id means: its own, or that of one of its events. */
export function find(boxes: readonly Box[], id: string): Box | undefined {
  return boxes.findLast((box) => box.node.events?.some((event) => event.id === id)) ?? boxes.find((box) => box.node.id === id);
}

/** The paths of what led to a node, or of what it led to, the node included. */
export function related(boxes: readonly Box[], box: Box, which: 'causes' | 'effects'): Set<string> {
  const within = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}.`);
  return new Set(boxes.filter((other) => (which === 'causes' ? within(box.path, other.path) : within(other.path, box.path))).map((other) => other.path));
}

export interface Bar {
  box: Box;
  /** ms since the beginning. */
  start: number;
  ms: number;
}

export interface Spent {
  kind: Kind | 'rest';
  ms: number;
}

/** The nodes that took time, and how much of the whole each kind took. */
export function times(boxes: readonly Box[]): { bars: Bar[]; spent: Spent[]; total: number } {
  const timed = boxes.filter((box) => box.node.start && (box.node.duration_ms ?? 0) > 0);
  const begin = Math.min(...timed.map((box) => Date.parse(box.node.start!)));
  const bars = timed.map((box) => ({ box, start: Date.parse(box.node.start!) - begin, ms: box.node.duration_ms! }));
  const total = Math.max(0, ...bars.map((bar) => bar.start + bar.ms));
  const of = (...kinds: Kind[]) => covered(bars.filter((bar) => kinds.includes(bar.box.node.kind)));
  // A model's time holds that of the tools that it called: only what is left is its own.
  const [tools, both] = [of('tool'), of('tool', 'model')];
  const spent: Spent[] = [
    { kind: 'model', ms: both - tools },
    { kind: 'tool', ms: tools },
    { kind: 'rest', ms: total - both },
  ];
  return { bars, spent: spent.filter(({ ms }) => ms > 0), total };
}

// covered is the time in which at least one of the bars runs: tools may run at once.
function covered(bars: readonly Bar[]): number {
  let sum = 0;
  let end = -Infinity;
  for (const { start, ms } of [...bars].sort((a, b) => a.start - b.start)) {
    sum += Math.max(0, start + ms - Math.max(end, start));
    end = Math.max(end, start + ms);
  }
  return sum;
}
