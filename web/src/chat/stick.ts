// Keeps a scrolling conversation in its place: at the end while it grows, unless
// the person has scrolled up; then whatever they look at stays where it is,
// also when messages appear above it.
import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';

const slack = 8; // px that still count as the end

export function useStick(key: unknown) {
  const root = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const state = useRef({ stuck: true, top: 0, anchor: undefined as { el: Element; offset: number } | undefined });

  const toEnd = useCallback(() => {
    const el = root.current!;
    state.current.stuck = true;
    el.scrollTop = el.scrollHeight;
    setAtEnd(true);
  }, []);

  useLayoutEffect(() => {
    const el = root.current!;
    const s = state.current;
    const remember = () => {
      const top = el.getBoundingClientRect().top;
      s.anchor = undefined;
      for (const item of inner.current!.querySelectorAll('[data-item]')) {
        const box = item.getBoundingClientRect();
        if (box.bottom > top) {
          s.anchor = { el: item, offset: box.top - top };
          break;
        }
      }
    };
    const onScroll = () => {
      const left = el.scrollHeight - el.scrollTop - el.clientHeight;
      // Only a move upwards lets go: content that grows moves the end, not us.
      if (left <= slack) s.stuck = true;
      else if (el.scrollTop < s.top) s.stuck = false;
      s.top = el.scrollTop;
      setAtEnd(s.stuck);
      if (!s.stuck) remember();
    };
    const hold = () => {
      if (s.stuck) el.scrollTop = el.scrollHeight;
      else if (s.anchor?.el.isConnected) {
        const offset = s.anchor.el.getBoundingClientRect().top - el.getBoundingClientRect().top;
        if (Math.abs(offset - s.anchor.offset) >= 1) el.scrollTop += offset - s.anchor.offset;
      }
      s.top = el.scrollTop;
    };
    const observer = new ResizeObserver(hold);
    observer.observe(inner.current!);
    observer.observe(el);
    el.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      el.removeEventListener('scroll', onScroll);
    };
  }, []);

  // Another conversation begins at its end.
  useLayoutEffect(toEnd, [key]);

  return { root, inner, atEnd, toEnd };
}
