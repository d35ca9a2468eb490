// The history of one stream, as far as it is looked at: it is read in parts, and
// what happens meanwhile is added at its end.
import { follow } from '../shared/follow';
import { replay, watchEvents, type Position, type Replay, type Step } from './api';
import { explain } from './follow';
import { agrees, stateOf, Timeline, type State } from './timeline';

export const span = 500; // steps of a part
const partsKept = 8;
const stepsAtOnce = 1000; // the most that the server gives
const gather = 300; // ms in which what happens is taken together

export class StreamHistory {
  /** The last revision; -1 until it is known. */
  last = -1;
  /** Why a part, or what is new, could not be read. */
  problem = '';
  /** The steps do not add up to the state that the server has. */
  doubtful = false;
  private readonly parts = new Map<number, Timeline>(); // the one used last comes last
  private readonly reading = new Set<number>();
  private position: Position = '0';
  private head: Replay | undefined; // until its part has been held against it
  private behind = false;
  private catching = false;

  constructor(
    private readonly stream: string,
    private readonly owner: Record<string, string>,
    private readonly changed: () => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Learns how long the history is, and goes on with it. */
  async open(): Promise<void> {
    const head = await this.ask({});
    this.last = head.revision ?? -1;
    this.position = head.position;
    this.head = head;
    if (this.last >= 0 && this.last < span) void this.want(this.last);
    this.changed();
    void follow({
      who: 'stream',
      open: (signal) => watchEvents(new URLSearchParams({ stream: this.stream }), this.position, signal),
      take: (pieces) => {
        for (const { event, id } of pieces) {
          if (id) this.position = id;
          if (event === 'event') this.behind = true;
        }
        if (this.behind && !this.catching) void this.catchUp();
      },
      failed: (err) => this.failed(err),
      signal: this.signal,
    });
  }

  /** The part that holds a revision, if it has been read. */
  part(revision: number): Timeline | undefined {
    const number = Math.floor(revision / span);
    const part = this.parts.get(number);
    if (part && (part.find(revision) < 0 || part.steps.at(-1)!.event.revision < revision)) return undefined;
    if (part) {
      this.parts.delete(number);
      this.parts.set(number, part);
    }
    return part;
  }

  /** The steps that have been read, in their order. */
  *known(): Iterable<Step> {
    for (const number of [...this.parts.keys()].sort((a, b) => a - b)) yield* this.parts.get(number)!.steps;
  }

  /** Reads the part that holds a revision, unless that is done or under way. */
  async want(revision: number): Promise<void> {
    const number = Math.floor(revision / span);
    if (revision < 0 || revision > this.last || this.part(revision) || this.reading.has(number)) return;
    this.reading.add(number);
    try {
      const first = number * span;
      const part = new Timeline([], await this.before(first));
      for (let end = Math.min(first + span - 1, this.last); (part.steps.at(-1)?.event.revision ?? first - 1) < end; ) {
        const steps = await this.steps((part.steps.at(-1)?.event.revision ?? first - 1), end);
        if (steps.length === 0) break;
        part.extend(steps);
      }
      this.keep(number, part);
      this.compare(part);
      this.problem = '';
    } catch (err) {
      this.failed(err);
    } finally {
      this.reading.delete(number);
    }
    this.changed();
  }

  /** The state before a revision: that of the part before it, or the server's. */
  private async before(first: number): Promise<State> {
    if (first === 0) return new Map();
    const part = this.parts.get(first / span - 1);
    if (part && part.steps.at(-1)?.event.revision === first - 1) return part.at(part.steps.length - 1);
    return stateOf(await this.ask({ revision: String(first - 1) }));
  }

  private async steps(after: number, upTo: number): Promise<Step[]> {
    const page = await this.ask({ steps: 'true', limit: String(Math.min(stepsAtOnce, upTo - after)), ...(after >= 0 && { after: String(after) }), revision: String(upTo) });
    return page.steps ?? [];
  }

  private ask(query: Record<string, string>): Promise<Replay> {
    return replay(new URLSearchParams({ ...this.owner, ...query }), this.signal);
  }

  private keep(number: number, part: Timeline): void {
    this.parts.delete(number);
    this.parts.set(number, part);
    for (const old of [...this.parts.keys()].slice(0, -partsKept)) this.parts.delete(old);
  }

  /** Holds the steps against the state that the server has folded itself. */
  private compare(part: Timeline): void {
    const at = this.head ? part.find(this.head.revision ?? -1) : -1;
    if (at < 0 || part.steps[at]!.event.revision !== this.head!.revision) return;
    this.doubtful = !agrees(part.at(at), this.head!);
    this.head = undefined;
  }

  /** Reads what has happened since, and adds it to the part at the end. */
  private async catchUp(): Promise<void> {
    this.catching = true;
    try {
      while (this.behind && !this.signal.aborted) {
        await new Promise((done) => setTimeout(done, gather));
        this.behind = false;
        for (let page: Replay; ; ) {
          page = await this.ask({ steps: 'true', limit: String(stepsAtOnce), after: String(this.last) });
          for (const step of page.steps ?? []) this.add(step);
          if (!page.has_more) break;
        }
        this.problem = '';
        this.changed();
      }
    } catch (err) {
      this.failed(err);
    } finally {
      this.catching = false;
    }
  }

  private add(step: Step): void {
    const { revision } = step.event;
    const number = Math.floor(revision / span);
    const part = this.parts.get(number);
    const before = this.parts.get(number - 1);
    if (part?.steps.at(-1)?.event.revision === revision - 1) part.extend([step]);
    else if (before?.steps.at(-1)?.event.revision === revision - 1) this.keep(number, new Timeline([step], before.at(before.steps.length - 1)));
    this.last = Math.max(this.last, revision);
  }

  private failed(err: unknown): void {
    if (this.signal.aborted) return;
    this.problem = explain(err);
    this.changed();
  }
}
