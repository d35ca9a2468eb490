import { useEffect, useState } from 'preact/hooks';
import { useLasting } from '../shared/hooks';
import { explain } from './follow';

export interface Loaded<T> {
  value: T | undefined;
  problem: string;
  /** It takes so long that a skeleton should say so. */
  slow: boolean;
  again: () => void;
}

/** Fetches something when a component begins or key changes, and again on demand; what was there stays until then. */
export function useLoad<T>(fetch: (signal: AbortSignal) => Promise<T>, key: unknown = ''): Loaded<T> {
  const [value, set] = useState<T>();
  const [problem, setProblem] = useState('');
  const [tries, retry] = useState(0);
  useEffect(() => {
    const loading = new AbortController();
    setProblem('');
    fetch(loading.signal).then(
      (got) => loading.signal.aborted || set(() => got),
      (err) => loading.signal.aborted || setProblem(explain(err)),
    );
    return () => loading.abort();
  }, [key, tries]);
  return { value, problem, slow: useLasting(value === undefined && problem === ''), again: () => retry(tries + 1) };
}
