// Small things that several tabs draw.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Problem as Failure } from '../shared/problem';
import { family, time } from './format';
import { Glyph } from './glyph';
import { href } from './router';

export function Type({ type }: { type: string }) {
  const [, name, version] = /^(.*?)(\.v\d+)?$/s.exec(type)!;
  return (
    <span class="type" data-family={family(type)}>
      <i aria-hidden="true" />
      <span>
        {name}
        <small>{version}</small>
      </span>
    </span>
  );
}

export function At({ iso }: { iso: string }) {
  return (
    <time dateTime={iso} title={iso}>
      {time(iso)}
    </time>
  );
}

/** The ways from an event to what led to it and to what came of it. */
export function Causes({ id }: { id: string }) {
  return (
    <div class="buttons">
      <a class="small" href={href('turn', { id, show: 'causes' })}>
        <Glyph name="causes" size={14} /> What caused this?
      </a>
      <a class="small" href={href('turn', { id, show: 'effects' })}>
        What did this cause? <Glyph name="effects" size={14} />
      </a>
    </div>
  );
}

export { Skeleton } from '../shared/problem';

export function Problem(props: { text: string; retry?: () => void; children?: ComponentChildren }) {
  return (
    <Failure tone="danger" retry={props.retry}>
      {props.children} {props.text}
    </Failure>
  );
}

/** A state with nothing in it: what there could be, and how to get it. */
export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="nothing">
      <h2>{title}</h2>
      <div>{children}</div>
    </div>
  );
}

/** Whether the window is that narrow, or whatever else the query asks. */
export function useMedia(query: string): boolean {
  const [matches, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const change = () => set(list.matches);
    change();
    list.addEventListener('change', change);
    return () => list.removeEventListener('change', change);
  }, [query]);
  return matches;
}

/** The width of an element in px, kept up to date. */
export function useWidth(element: { current: Element | null }): number {
  const [width, set] = useState(0);
  useEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => set(Math.round(entry!.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

export const narrow = '(max-width: 719px)';
