// Values that a component, an effect or another value depends on by reading them:
// what the pages need of @preact/signals, with its names, in a fifth of its size.
import { options, type Component, type VNode } from 'preact';

/** Somebody who reads, with the version of each source that was read. */
interface Reader {
  sources: Map<Source, number>;
  /** A source may have changed. */
  stale: () => void;
  /** To be told; what nobody depends on depends on nobody, so that it can be forgotten. */
  told: boolean;
}

interface Source {
  version: number;
  readers: Set<Reader>;
  /** Of a value that follows from others: brings it up to date. */
  refresh?: () => void;
  /** Of such a value: it as a reader. */
  self?: Reader;
}

export interface ReadonlySignal<T> {
  /** The value; to read it is to depend on it. */
  readonly value: T;
  /** The value, without depending on it. */
  peek(): T;
}

export interface Signal<T> extends ReadonlySignal<T> {
  value: T;
}

let reader: Reader | undefined;
let batches = 0;
const queue = new Set<() => void>();

/** A value that may be set. */
export function signal<T>(now: T): Signal<T> {
  const source: Source = { version: 0, readers: new Set() };
  return {
    get value() {
      track(source);
      return now;
    },
    set value(next) {
      if (next === now) return;
      now = next;
      source.version++;
      batch(() => source.readers.forEach((r) => r.stale()));
    },
    peek: () => now,
  };
}

/** A value that follows from others. It is computed when it is read, and only if one of them has changed. */
export function computed<T>(compute: () => T): ReadonlySignal<T> {
  let now: T;
  const readers = new Set<Reader>();
  const self: Reader = { sources: new Map(), told: false, stale: () => readers.forEach((r) => r.stale()) };
  const source: Source & { refresh: () => void } = {
    version: 0,
    readers,
    self,
    refresh() {
      if (source.version > 0 && !changed(self)) return;
      const next = read(self, compute);
      if (source.version === 0 || next !== now) source.version++;
      now = next;
    },
  };
  return {
    get value() {
      track(source);
      return now;
    },
    peek() {
      source.refresh();
      return now;
    },
  };
}

/** Runs fn now, and again whenever something that it has read changes. */
export function effect(fn: () => void): void {
  const again = () => changed(self) && read(self, fn);
  const self: Reader = { sources: new Map(), told: true, stale: () => queue.add(again) };
  read(self, fn);
}

/** Lets fn change several values before anybody is told. */
export function batch(fn: () => void): void {
  batches++;
  try {
    fn();
  } finally {
    if (--batches === 0) {
      for (const tell of queue) {
        queue.delete(tell);
        tell();
      }
    }
  }
}

/** Lets fn read without depending on what it reads. */
export function untracked<T>(fn: () => T): T {
  return as(undefined, fn);
}

function as<T>(r: Reader | undefined, fn: () => T): T {
  const before = reader;
  reader = r;
  try {
    return fn();
  } finally {
    reader = before;
  }
}

function read<T>(r: Reader, fn: () => T): T {
  forget(r);
  return as(r, fn);
}

function track(source: Source): void {
  source.refresh?.();
  if (!reader) return;
  reader.sources.set(source, source.version);
  if (reader.told) join(source, reader);
}

/** Whether a source has another value than when it was read. */
function changed(r: Reader): boolean {
  for (const [source, version] of r.sources) {
    source.refresh?.();
    if (source.version !== version) return true;
  }
  return false;
}

function join(source: Source, r: Reader): void {
  source.readers.add(r);
  const { self } = source;
  if (!self || self.told) return;
  self.told = true;
  for (const s of self.sources.keys()) join(s, self);
}

function leave(source: Source, r: Reader): void {
  source.readers.delete(r);
  const { self } = source;
  if (!self || source.readers.size > 0) return;
  self.told = false;
  for (const s of self.sources.keys()) leave(s, self);
}

function forget(r: Reader): void {
  for (const source of r.sources.keys()) leave(source, r);
  r.sources.clear();
}

// A component reads from when Preact begins to render it until Preact is done
// with a vnode: its own, one below it, or the next component begins. These are
// the hooks that Preact has for add-ons.
type Rendered = VNode & { __c?: Component & { reader?: Reader } };
type Hook = (vnode: Rendered) => void;
const hooks = options as unknown as Record<'__r' | 'diffed' | 'unmount', Hook | undefined>;

function hook(name: keyof typeof hooks, fn: Hook): void {
  const next = hooks[name];
  hooks[name] = (vnode) => {
    fn(vnode);
    next?.(vnode);
  };
}

function readerOf(component: Component): Reader {
  const render = () => changed(self) && component.setState({});
  const self: Reader = { sources: new Map(), told: true, stale: () => queue.add(render) };
  return self;
}

hook('__r', (vnode) => {
  const component = vnode.__c!;
  reader = component.reader ??= readerOf(component);
  forget(reader);
});
hook('diffed', () => (reader = undefined));
hook('unmount', (vnode) => vnode.__c?.reader && forget(vnode.__c.reader));
