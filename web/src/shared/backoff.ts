/** Waits longer and longer, with jitter so that clients do not return in step. */
export class Backoff {
  #tries = 0;

  constructor(
    private readonly first = 500,
    private readonly most = 15_000,
  ) {}

  /** The next delay in milliseconds. */
  next(): number {
    const full = Math.min(this.most, this.first * 2 ** this.#tries++);
    return full * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}

/**
 * Resolves after ms milliseconds, or at once when the browser says that it is
 * online again, or when signal aborts (the caller looks at it).
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    signal?.addEventListener('abort', done);
  });
}
