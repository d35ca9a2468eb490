// One open thread: its items, the turn that runs in it, and what went wrong.
// A turn belongs to the server; this page is one reader of its stream. It may
// lose the stream and join it again, also after a reload.
import { batch, computed, signal } from '@preact/signals';
import { pause } from '../shared/backoff';
import {
  cancelTurn,
  giveFeedback,
  listItems,
  resumeTurn,
  startTurn,
  type Notice,
  type Page,
  type Item,
  type StreamEvent,
  type TurnRequest,
} from '../shared/chatkit';
import { reportReached } from '../shared/connection';
import { ApiError, messageOf, NetworkError } from '../shared/http';
import { toast } from '../shared/toast';
import { cutOff, lastAnswer, lastQuestion, prepend, reduce, unanswered, type Items } from './reduce';
import { go } from './router';
import { putThread, touchThread } from './threads';
import { patiently, readTurn } from './turn';

/** A turn that was asked for and has not begun. */
export interface Outgoing {
  request: TurnRequest;
  /** busy: another turn runs here; waiting: the server said when to come back. */
  state: 'sending' | 'busy' | 'waiting' | 'failed';
  message: string;
  /** When to try again, in ms since the epoch. */
  until: number;
}

/** Why there is no (whole) answer. */
export interface Problem {
  kind: 'failed' | 'interrupted' | 'stopped';
  message: string;
  retry: boolean;
}

const pageSize = 50;

export class Conversation {
  /** '' until the server has made the thread. */
  readonly id = signal('');
  readonly items = signal<Items>([]);
  readonly state = signal<'loading' | 'ready' | 'missing' | 'failed'>('ready');
  readonly loadError = signal('');
  readonly hasOlder = signal(false);
  readonly loadingOlder = signal(false);
  readonly outgoing = signal<Outgoing | undefined>(undefined);
  readonly streaming = signal(false);
  readonly stopping = signal(false);
  readonly problem = signal<Problem | undefined>(undefined);
  readonly progress = signal('');
  readonly notices = signal<readonly Notice[]>([]);
  /** Set once per answer, when it is whole: what a screen reader is told. */
  readonly announcement = signal('');
  /** What is being written. */
  readonly draft = signal('');
  readonly feedback = signal<ReadonlyMap<string, 'positive' | 'negative'>>(new Map());

  /** A turn runs or is about to. */
  readonly busy = computed(() => {
    const out = this.outgoing.value;
    return this.streaming.value || (out !== undefined && out.state !== 'failed' && out.state !== 'waiting');
  });

  readonly #abort = new AbortController();
  #unfinished = new Set<string>();
  #stopped = false;
  /** What a retry has taken away, to be put back if it cannot begin. */
  #replaced: Items | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looked = 0;

  constructor(id: string) {
    this.id.value = id;
    if (id !== '') void this.load();
  }

  /** Lets go of the stream; the turn goes on at the server. */
  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
    reportReached('chat');
  }

  async load(): Promise<void> {
    this.state.value = 'loading';
    try {
      await this.#sync();
      this.state.value = 'ready';
    } catch (err) {
      if (this.#closed) return;
      if (err instanceof ApiError && (err.status === 404 || err.status === 400)) {
        this.state.value = 'missing';
      } else {
        this.loadError.value = messageOf(err);
        this.state.value = 'failed';
      }
    }
  }

  /** Looks whether another window or device has gone on in this thread. */
  async refresh(): Promise<void> {
    if (this.id.value === '' || this.state.value !== 'ready' || this.busy.value || this.outgoing.value) return;
    if (Date.now() - this.#looked < 3000) return;
    try {
      await this.#sync();
    } catch {
      // It was only a look; the next action tells what is wrong.
    }
  }

  // sync takes the newest items and joins the turn that runs, if one does.
  async #sync(): Promise<void> {
    this.#looked = Date.now();
    const id = this.id.value;
    const [joined, page] = await Promise.all([
      resumeTurn(id, '', this.#abort.signal),
      listItems(id, pageSize),
    ]);
    if (this.#closed) return void joined?.body?.cancel();
    const before = this.items.value.at(-1)?.id;
    this.#take(page);
    if (this.items.value.at(-1)?.id !== before) {
      this.#stopped = false; // it went on elsewhere: what went wrong here is past
      this.problem.value = undefined;
    }
    if (joined) {
      this.#beginStream();
      void this.#follow(joined);
      return;
    }
    // The turn may have ended between the two answers: then the second look has it.
    if (unanswered(this.items.value)) this.#take(await listItems(id, pageSize));
    this.#judge();
  }

  // take puts the newest page in the place of what was known from its oldest on.
  #take(page: Page<Item>): void {
    const newest = [...page.data].reverse();
    const from = this.items.value.findIndex((item) => item.id === newest[0]?.id);
    batch(() => {
      this.items.value = from > 0 ? [...this.items.value.slice(0, from), ...newest] : newest;
      if (from <= 0) this.hasOlder.value = page.has_more;
    });
  }

  async loadOlder(): Promise<void> {
    const first = this.items.value[0];
    if (!this.hasOlder.value || this.loadingOlder.value || !first || this.state.value !== 'ready') return;
    this.loadingOlder.value = true;
    try {
      const page = await listItems(this.id.value, 100, first.id);
      batch(() => {
        this.items.value = prepend(this.items.value, page.data);
        this.hasOlder.value = page.has_more;
        this.loadingOlder.value = false;
      });
    } catch (err) {
      this.hasOlder.value = false;
      if (!this.#closed) {
        toast(`Earlier messages could not be loaded. ${messageOf(err)}`, {
          tone: 'danger',
          action: { label: 'Retry', run: () => ((this.hasOlder.value = true), void this.loadOlder()) },
        });
      }
    } finally {
      this.loadingOlder.value = false;
    }
  }

  send(text: string): void {
    const key = crypto.randomUUID();
    const thread = this.id.value;
    void this.#start(thread ? { type: 'threads.add_user_message', thread, text, key } : { type: 'threads.create', text, key });
  }

  /** Asks for an answer to the last message again. */
  retry(): void {
    const question = lastQuestion(this.items.value);
    if (!question) return;
    void this.#start({ type: 'threads.retry_after_item', thread: this.id.value, item: question.id, key: crypto.randomUUID() });
  }

  /** Sends what could not be sent once more. */
  resend(): void {
    const out = this.outgoing.value;
    if (out) void this.#start(out.request);
  }

  /** Gives up on what could not be sent and returns its text. */
  discard(): string {
    clearTimeout(this.#timer);
    const request = this.outgoing.value?.request;
    this.outgoing.value = undefined;
    this.#restore();
    this.#judge();
    return request && 'text' in request ? request.text : '';
  }

  async stop(): Promise<void> {
    if (!this.busy.value) return;
    this.stopping.value = true;
    this.#stopped = true;
    if (this.id.value === '') return; // as soon as the thread is known
    try {
      await cancelTurn(this.id.value);
    } catch (err) {
      this.stopping.value = false;
      this.#stopped = false;
      if (!this.#closed) toast(`The answer could not be stopped. ${messageOf(err)}`, { tone: 'danger' });
    }
  }

  async rate(item: string, kind: 'positive' | 'negative'): Promise<void> {
    const before = this.feedback.value;
    this.feedback.value = new Map(before).set(item, kind);
    try {
      await giveFeedback(this.id.value, item, kind);
    } catch (err) {
      this.feedback.value = before;
      toast(`Your feedback was not saved. ${messageOf(err)}`, { tone: 'danger' });
    }
  }

  #restore(): void {
    if (this.#replaced) this.items.value = this.#replaced;
    this.#replaced = undefined;
  }

  get #closed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #start(request: TurnRequest): Promise<void> {
    clearTimeout(this.#timer);
    if (this.streaming.value || this.outgoing.value?.state === 'sending') return;
    batch(() => {
      this.problem.value = undefined;
      this.#stopped = false;
      this.outgoing.value = { request, state: 'sending', message: '', until: 0 };
      if (request.type === 'threads.retry_after_item') {
        const items = this.items.value;
        this.#replaced ??= items;
        this.items.value = items.slice(0, items.findIndex((item) => item.id === request.item) + 1);
      }
    });
    let res: Response;
    try {
      res = await startTurn(request, this.#abort.signal);
    } catch (err) {
      if (!this.#closed) await this.#notStarted(request, err);
      return;
    }
    batch(() => {
      this.#beginStream();
      if (request.type === 'threads.retry_after_item') this.outgoing.value = undefined;
      this.#replaced = undefined;
    });
    await this.#follow(res);
  }

  async #notStarted(request: TurnRequest, err: unknown): Promise<void> {
    const put = (state: Outgoing['state'], message: string, until = 0) =>
      (this.outgoing.value = { request, state, message, until });
    if (err instanceof ApiError && err.status === 409 && err.code === 'thread_busy') {
      put('busy', 'Still answering the message before. Yours goes out when that is done.');
      await this.#waitForOther(request);
    } else if (err instanceof ApiError && err.temporary && !err.doubtful) {
      const seconds = Math.max(1, err.retryAfter ?? 5);
      put('waiting', err.status === 429 ? 'Too many messages at once.' : 'The server is busy.', Date.now() + seconds * 1000);
      this.#timer = setTimeout(() => void this.#start(request), seconds * 1000);
    } else if ((err instanceof NetworkError || (err instanceof ApiError && err.doubtful)) && request.type !== 'threads.retry_after_item') {
      put('failed', `${err instanceof NetworkError ? 'The server could not be reached' : 'No answer came in time'}, so this may not have been sent.`);
    } else {
      put('failed', messageOf(err));
    }
    if (this.outgoing.value?.state === 'failed') this.#restore();
  }

  // waitForOther follows the turn that is in the way, then sends.
  async #waitForOther(request: TurnRequest): Promise<void> {
    const thread = this.id.value;
    try {
      const [joined, page] = await Promise.all([
        resumeTurn(thread, '', this.#abort.signal),
        listItems(thread, pageSize),
      ]);
      if (this.#closed) return;
      this.#take(page);
      if (joined) {
        this.#beginStream();
        await this.#follow(joined);
      } else {
        await pause(1000, this.#abort.signal);
      }
    } catch (err) {
      if (this.#closed) return;
      this.outgoing.value = { request, state: 'failed', message: messageOf(err), until: 0 };
      return;
    }
    if (!this.#closed && this.outgoing.value?.request === request) await this.#start(request);
  }

  #beginStream(): void {
    this.streaming.value = true;
    this.problem.value = undefined;
    this.#unfinished.clear();
    this.notices.value = [];
  }

  // follow shows a turn to its end.
  async #follow(first: Response): Promise<void> {
    try {
      for await (const events of readTurn(first, () => this.id.value, this.#abort.signal)) {
        batch(() => events.forEach((event) => this.#apply(event)));
      }
      await this.#settle();
    } catch (err) {
      if (this.#closed) return;
      this.#end();
      this.problem.value = { kind: 'failed', message: messageOf(err), retry: true };
    }
  }

  #apply(event: StreamEvent): void {
    switch (event.type) {
      case 'thread.created':
        if (this.id.value === '') {
          this.id.value = event.thread.id;
          putThread(event.thread, true);
          go(event.thread.id);
          if (this.#stopped) void this.stop();
        }
        return;
      case 'thread.updated':
        putThread(event.thread, false);
        return;
      case 'progress_update':
        this.progress.value = event.text;
        return;
      case 'notice':
        // A stream that is told from its start again tells it again.
        if (!this.notices.value.some((n) => n.message === event.message)) this.notices.value = [...this.notices.value, event];
        return;
      case 'error':
        this.problem.value = { kind: 'failed', message: event.message || 'The answer failed.', retry: event.allow_retry };
        return;
      case 'thread.item.added':
        this.#unfinished.add(event.item.id);
        this.progress.value = '';
        break;
      case 'thread.item.done':
        this.#unfinished.delete(event.item.id);
        // The message that was on its way has arrived.
        if (event.item.type === 'user_message' && this.outgoing.value?.state === 'sending') this.outgoing.value = undefined;
        break;
    }
    this.items.value = reduce(this.items.value, event);
  }

  // settle is called when the stream has ended. What was shown and never done
  // is not kept by the server, so the page asks what is.
  async #settle(): Promise<void> {
    const sent = this.outgoing.value?.state === 'sending';
    const doubtful = this.#unfinished.size > 0 || sent || unanswered(this.items.value);
    if (this.id.value === '') {
      const request = this.outgoing.value!.request;
      this.#end();
      this.outgoing.value = { request, state: 'failed', message: 'The connection was lost, so this may not have been sent.', until: 0 };
      return;
    }
    if (doubtful) {
      const page = await this.#itemsNow();
      if (this.#closed) return;
      this.#take(page);
      // Everything up to the newest item is the server's word now; a message
      // that is not among them has not arrived.
      const out = this.outgoing.value;
      if (sent && out) {
        const question = lastQuestion(this.items.value);
        const arrived = question?.type === 'user_message' && 'text' in out.request && question.content[0]?.text === out.request.text;
        this.outgoing.value = arrived
          ? undefined
          : { ...out, state: 'failed', message: 'The connection was lost, so this was not sent.' };
      }
    }
    const failed = this.problem.value !== undefined;
    this.#end();
    this.#judge();
    touchThread(this.id.value);
    if (!failed && !this.problem.value) this.announcement.value = lastAnswer(this.items.value);
  }

  async #itemsNow(): Promise<Page<Item>> {
    const look = () => listItems(this.id.value, pageSize);
    try {
      return await look();
    } catch {
      return patiently(look, this.#abort.signal);
    }
  }

  #end(): void {
    batch(() => {
      this.streaming.value = false;
      this.stopping.value = false;
      this.progress.value = '';
      this.#unfinished.clear();
    });
  }

  // judge says why there is no whole answer, unless the server has said so.
  #judge(): void {
    if (this.problem.value?.kind === 'failed' || this.outgoing.value) return;
    const told = cutOff(this.items.value.at(-1));
    if (told !== '' || this.#stopped) {
      this.problem.value = { kind: 'stopped', message: told || 'You stopped this answer.', retry: true };
    } else if (unanswered(this.items.value)) {
      this.problem.value = { kind: 'interrupted', message: 'This answer was interrupted.', retry: true };
    } else {
      this.problem.value = undefined;
    }
  }
}
