// A table of very many rows of one height: only those in sight are in the
// document, and what is looked at stays where it is when others come above it.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

interface Props<T> {
  label: string;
  items: readonly T[];
  keyOf: (item: T) => string;
  /** Height of a row in px. */
  height: number;
  /** How many rows there are in all, or -1 when that is not known. */
  total: number;
  /** The columns' headings. */
  head: ComponentChildren;
  /** The cells of a row. */
  cells: (item: T) => ComponentChildren;
  /** What a row looks like, for the style sheet. */
  mark: (item: T) => string;
  chosen: string;
  choose: (item: T) => void;
  /** The end is near. */
  more: () => void;
  children?: ComponentChildren;
}

const spare = 12; // rows above and below the view

export function Rows<T>(props: Props<T>) {
  const { items, keyOf, height, chosen, choose } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const [focused, setFocused] = useState('');
  const before = useRef<{ first: string; top: number }>({ first: '', top: 0 });

  const look = () => setView({ top: box.current!.scrollTop, height: box.current!.clientHeight });
  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);

  // Rows that came above push the rest down: go along with it, unless the top is in view.
  const first = items[0] && keyOf(items[0]);
  useLayoutEffect(() => {
    const el = box.current!;
    if (before.current.first && first !== before.current.first && before.current.top > 0) {
      const added = items.findIndex((item) => keyOf(item) === before.current.first);
      if (added > 0) el.scrollTop = before.current.top + added * height;
    }
    before.current = { first: first ?? '', top: el.scrollTop };
  }, [first]);

  const from = Math.max(0, Math.floor(view.top / height) - spare);
  const to = Math.min(items.length, Math.ceil((view.top + view.height) / height) + spare);
  useLayoutEffect(() => {
    if (items.length > 0 && to > items.length - 60) props.more();
  }, [to, items.length]);

  // One row takes the focus when the table is reached by Tab: where one was, else the chosen one, else the first.
  const entry = useMemo(() => {
    const find = (key: string) => (key === '' ? -1 : items.findIndex((item) => keyOf(item) === key));
    const at = find(focused);
    return at >= 0 ? at : Math.max(0, find(chosen));
  }, [items, focused, chosen]);
  // In their order, or a row would be moved while it is clicked. What has the
  // focus stays, wherever it is scrolled to.
  const drawn = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  if (entry < from) drawn.unshift(entry);
  else if (entry >= to && entry < items.length) drawn.push(entry);

  const reach = (i: number) => {
    const at = Math.max(0, Math.min(items.length - 1, i));
    const el = box.current!;
    const inner = el.clientHeight - height; // the headings stand on top
    if (at * height < el.scrollTop) el.scrollTop = at * height;
    else if ((at + 1) * height > el.scrollTop + inner) el.scrollTop = (at + 1) * height - inner;
    setFocused(keyOf(items[at]!));
    if (chosen !== '') choose(items[at]!); // what is open goes along
    requestAnimationFrame(() => requestAnimationFrame(() => el.querySelector<HTMLElement>('[data-at="' + at + '"]')?.focus({ preventScroll: true })));
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (items.length === 0 || e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(view.height / height) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[e.key];
    if (step !== undefined) reach(entry + step);
    else if (e.key === 'Enter' || e.key === ' ') choose(items[entry]!);
    else return;
    e.preventDefault();
  };

  return (
    <div class="scroll rows" ref={box} onScroll={() => (look(), (before.current.top = box.current!.scrollTop))} onKeyDown={onKeyDown}>
      <div role="grid" aria-label={props.label} aria-rowcount={props.total < 0 ? -1 : props.total + 1}>
        <div role="row" class="row head" aria-rowindex={1}>
          {props.head}
        </div>
        <div role="rowgroup" class="rows-all" style={{ height: `${items.length * height}px` }}>
          {drawn.map((i) => {
            const item = items[i]!;
            const key = keyOf(item);
            return (
              <div
                key={key}
                role="row"
                class="row"
                data-at={i}
                data-mark={props.mark(item)}
                aria-rowindex={i + 2}
                aria-selected={key === chosen}
                tabIndex={i === entry ? 0 : -1}
                style={{ transform: `translateY(${i * height}px)` }}
                onClick={() => (setFocused(key), choose(item))}
                onFocus={() => setFocused(key)}
              >
                {props.cells(item)}
              </div>
            );
          })}
        </div>
      </div>
      {props.children}
    </div>
  );
}
