// A long list of which only what is near the viewport is in the document. The
// list is cut into chunks; a chunk out of sight is one empty box of the height
// that it had, or is estimated to have.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { memo } from './memo';

type Seen = (near: boolean, height: number) => void;

// One observer for each element that scrolls, which goes with it.
const watchers = new WeakMap<Element, { observer: IntersectionObserver; callbacks: Map<Element, Seen> }>();

function watch(root: Element, el: Element, seen: Seen): () => void {
  let watcher = watchers.get(root);
  if (!watcher) {
    const callbacks = new Map<Element, Seen>();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const e of entries) callbacks.get(e.target)?.(e.isIntersecting, e.boundingClientRect.height);
      },
      { root, rootMargin: '1200px 0px' },
    );
    watchers.set(root, (watcher = { observer, callbacks }));
  }
  const { observer, callbacks } = watcher;
  callbacks.set(el, seen);
  observer.observe(el);
  return () => {
    callbacks.delete(el);
    observer.unobserve(el);
  };
}

interface Props<T> {
  /** The element that scrolls. */
  root: { current: Element | null };
  items: readonly T[];
  keyOf: (item: T) => string;
  render: (item: T) => ComponentChildren;
  /** Guess of an item's height in px, for what was never drawn. */
  estimate: number;
  /** Which end is looked at first. */
  from: 'start' | 'end';
  /** Changes when render would draw the same item differently. */
  version?: unknown;
}

const chunkSize = 24;

export function Windowed<T>({ root, items, keyOf, render, estimate, from, version }: Props<T>) {
  const starts = useRef(new Set<string>());
  const chunks = partition(items, keyOf, starts.current);
  starts.current = new Set(chunks.map((chunk) => keyOf(chunk[0]!)));
  const first = from === 'start' ? 0 : chunks.length - 1;
  return (
    <>
      {chunks.map((chunk, i) => (
        <Chunk
          key={keyOf(chunk[0]!)}
          root={root}
          items={chunk as readonly unknown[]}
          render={render as (item: unknown) => ComponentChildren}
          estimate={estimate}
          near={Math.abs(i - first) <= 1}
          version={version}
        />
      ))}
    </>
  );
}

/** Cuts a list into chunks that begin where they began before, so that a change in one leaves the others alone. */
export function partition<T>(items: readonly T[], keyOf: (item: T) => string, starts: ReadonlySet<string>): T[][] {
  const chunks: T[][] = [];
  let chunk: T[] = [];
  for (const item of items) {
    if (chunk.length > 0 && (chunk.length >= chunkSize || starts.has(keyOf(item)))) {
      chunks.push(chunk);
      chunk = [];
    }
    chunk.push(item);
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}

interface ChunkProps {
  root: { current: Element | null };
  items: readonly unknown[];
  render: (item: unknown) => ComponentChildren;
  estimate: number;
  near: boolean;
  version: unknown;
}

const Chunk = memo<ChunkProps>(
  ({ root, items, render, estimate, near: nearAtFirst }) => {
    const box = useRef<HTMLDivElement>(null);
    const [near, setNear] = useState(nearAtFirst);
    const height = useRef(0);
    useEffect(
      () =>
        watch(root.current!, box.current!, (isNear, was) => {
          // What holds the focus stays, wherever it is scrolled to.
          if (!isNear && box.current?.contains(document.activeElement)) return;
          if (!isNear && was > 0) height.current = was;
          setNear(isNear);
        }),
      [],
    );
    useLayoutEffect(() => {
      box.current!.style.height = near ? '' : `${height.current || estimate * items.length}px`;
    });
    return (
      <div class="chunk" role="presentation" ref={box}>
        {near && items.map(render)}
      </div>
    );
  },
  (a, b) =>
    a.version === b.version &&
    a.estimate === b.estimate &&
    a.items.length === b.items.length &&
    a.items.every((item, i) => item === b.items[i]),
);
