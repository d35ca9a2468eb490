// Keeps a scrolling conversation in its place: at the end while it grows, unless
// the person has scrolled up; then whatever they look at stays where it is,
// also when messages appear above it.
import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';

const slack = 8; // px that still count as the end

interface State {
  stuck: boolean;
  /** scrollTop as it was last seen. */
  top: number;
  /** What is in view, where it stands in the view, and scrollTop then. */
  anchor: { el: Element; offset: number; top: number } | undefined;
}

export function useStick(key: unknown) {
  const root = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const state = useRef<State>({ stuck: true, top: 0, anchor: undefined });

  const toEnd = useCallback(() => {
    const el = root.current!;
    state.current.stuck = true;
    state.current.anchor = undefined;
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
          s.anchor = { el: item, offset: box.top - top, top: el.scrollTop };
          break;
        }
      }
    };
    // hold puts the view where it belongs. What the anchor has moved by other
    // than scrolling, the view moves too.
    const hold = () => {
      if (s.stuck) el.scrollTop = el.scrollHeight;
      else if (s.anchor?.el.isConnected) {
        const offset = () => s.anchor!.el.getBoundingClientRect().top - el.getBoundingClientRect().top;
        const moved = offset() - s.anchor.offset + (el.scrollTop - s.anchor.top);
        if (Math.abs(moved) >= 1) {
          el.scrollTop += moved;
          s.anchor = { el: s.anchor.el, offset: offset(), top: el.scrollTop };
        }
      }
      s.top = el.scrollTop;
    };
    const onScroll = () => {
      const left = el.scrollHeight - el.scrollTop - el.clientHeight;
      // Only a move upwards lets go: content that grows moves the end, not us.
      if (left <= slack) {
        s.stuck = true;
        s.anchor = undefined;
      } else if (el.scrollTop < s.top) s.stuck = false;
      setAtEnd(s.stuck);
      // Items may have come in since the last frame, whose size the observer
      // has not told yet: first hold, then look for what is in view.
      if (!s.stuck) {
        hold();
        remember();
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
