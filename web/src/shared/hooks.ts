import { useEffect, useState } from 'preact/hooks';

/** The time, told anew every ms milliseconds while on. */
export function useNow(ms: number, on = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!on) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms, on]);
  return now;
}

/** Whether on has held for ms milliseconds: a skeleton that flashes is worse than none. */
export function useLasting(on: boolean, ms = 200): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!on) {
      setLasting(false);
      return;
    }
    const timer = setTimeout(() => setLasting(true), ms);
    return () => clearTimeout(timer);
  }, [on, ms]);
  return on && lasting;
}

/** Whole seconds until a time, at least 0, counting down. */
export function useSecondsUntil(until: number): number {
  const now = useNow(250, until > 0);
  return Math.max(0, Math.ceil((until - now) / 1000));
}
