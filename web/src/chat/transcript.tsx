// The conversation itself: items, what is on its way, and what went wrong.
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Item } from '../shared/chatkit';
import { useLasting, useSecondsUntil } from '../shared/hooks';
import { Icon } from '../shared/icons';
import { Markdown } from '../shared/markdown-view';
import { Problem as Failure } from '../shared/problem';
import { Windowed } from '../shared/windowed';
import type { Conversation, Outgoing, Problem } from './conversation';
import { Message } from './message';
import { cutOff } from './reduce';
import { go } from './router';
import { useStick } from './stick';

const keyOf = (item: Item) => item.id;

export function Transcript({ chat }: { chat: Conversation }) {
  const { root, inner, atEnd, toEnd } = useStick(chat);
  const problem = problemOf(chat);
  // What the last item says of the answer stands below it, with what can be done.
  const items = problem && cutOff(chat.items.value.at(-1)) ? chat.items.value.slice(0, -1) : chat.items.value;
  const state = chat.state.value;
  const outgoing = chat.outgoing.value;
  const feedback = chat.feedback.value;
  const live = chat.streaming.value ? items.at(-1) : undefined;
  const version = useMemo(() => ({}), [feedback, live === undefined]);
  const skeleton = useLasting(state === 'loading');
  const rate = useRef((item: string, kind: 'positive' | 'negative') => void chat.rate(item, kind));
  rate.current = (item, kind) => void chat.rate(item, kind);
  const stableRate = useRef((item: string, kind: 'positive' | 'negative') => rate.current(item, kind)).current;

  // What the person sends is what they want to see.
  useEffect(() => {
    if (outgoing?.state === 'sending') toEnd();
  }, [outgoing?.request, outgoing?.state === 'sending']);

  const empty = state === 'ready' && items.length === 0 && !outgoing && !chat.streaming.value && chat.id.value === '';
  return (
    <div class="transcript">
      <div class="scroll" ref={root} tabIndex={0} role="region" aria-label="Messages">
        <div class="column" ref={inner} data-streaming={chat.streaming.value}>
          <Older chat={chat} root={root} />
          {skeleton && <Skeleton />}
          {state === 'failed' && <Failure retry={() => void chat.load()}>The messages could not be loaded. {chat.loadError.value}</Failure>}
          {state === 'missing' && <Missing />}
          {empty && <Starters chat={chat} />}
          <Windowed
            root={root}
            items={items}
            keyOf={keyOf}
            estimate={90}
            from="end"
            version={version}
            render={(item) => <Message key={item.id} item={item} live={item === live} rated={feedback.get(item.id)} rate={stableRate} />}
          />
          {outgoing && <OutgoingView chat={chat} outgoing={outgoing} />}
          <Waiting chat={chat} />
          {chat.notices.value.map((notice, i) => (
            <div key={i} class="notice" data-level={notice.level}>
              {notice.title && <strong>{notice.title}</strong>}
              <Markdown text={notice.message} />
            </div>
          ))}
          {problem && <ProblemView chat={chat} problem={problem} />}
        </div>
      </div>
      {!atEnd && (
        <button type="button" class="to-latest" onClick={toEnd}>
          <Icon name="down" size={14} /> Latest
        </button>
      )}
    </div>
  );
}

// Older asks for earlier messages before the person gets there.
function Older({ chat, root }: { chat: Conversation; root: { current: HTMLDivElement | null } }) {
  const mark = useRef<HTMLDivElement>(null);
  const more = chat.hasOlder.value;
  const loading = chat.loadingOlder.value;
  useEffect(() => {
    if (!more || loading) return;
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && void chat.loadOlder(), {
      root: root.current,
      rootMargin: '1500px 0px 0px 0px',
    });
    observer.observe(mark.current!);
    return () => observer.disconnect();
  }, [chat, more, loading]);
  return (
    <div class="older" ref={mark}>
      {loading ? 'Loading earlier messages…' : ''}
    </div>
  );
}

function Skeleton() {
  return (
    <div class="skeleton" role="status" aria-label="Loading messages">
      <i data-kind="mine" />
      <i />
      <i data-kind="short" />
      <i data-kind="mine" />
      <i />
    </div>
  );
}

function Missing() {
  return (
    <div class="blank" role="alert">
      <h3>There is no such chat</h3>
      <p>It may have been deleted, or it belongs to somebody else.</p>
      <button type="button" class="small" onClick={() => go('')}>
        Start a new chat
      </button>
    </div>
  );
}

const starters = ['Add buy milk tomorrow', 'Add call Anna on Friday at 10:00', 'What is left?', 'Done with the milk'];

function Starters({ chat }: { chat: Conversation }) {
  return (
    <div class="blank">
      <h3>What is on your mind?</h3>
      <p>Say what there is to do, in your own words. Your tasks are kept beside the chat.</p>
      <div class="starters">
        {starters.map((text) => (
          <button key={text} type="button" onClick={() => chat.send(text)}>
            {text}
          </button>
        ))}
      </div>
    </div>
  );
}

// OutgoingView shows a message that the server does not have yet.
function OutgoingView({ chat, outgoing }: { chat: Conversation; outgoing: Outgoing }) {
  const seconds = useSecondsUntil(outgoing.until);
  const edit = () => {
    chat.draft.value = [chat.discard(), chat.draft.value].filter(Boolean).join('\n');
    document.getElementById('message')?.focus();
  };
  const text = 'text' in outgoing.request ? outgoing.request.text : '';
  const settled = outgoing.state === 'waiting' || outgoing.state === 'failed';
  return (
    <>
      {text !== '' && (
        <article class="entry mine" data-item="outgoing" data-pending={outgoing.state} aria-label="You, not sent yet">
          <div class="bubble">{text}</div>
        </article>
      )}
      {outgoing.state !== 'sending' && (
        <div class="problem" role={settled ? 'alert' : 'status'} data-tone={outgoing.state === 'failed' ? 'danger' : 'plain'}>
          <Icon name={outgoing.state === 'failed' ? 'warn' : 'retry'} />
          <span>
            {outgoing.message}
            {outgoing.state === 'waiting' && <span aria-hidden="true"> Sent again in {seconds} s.</span>}
          </span>
          {settled && (
            <span class="problem-actions">
              <button type="button" class="small" onClick={() => chat.resend()}>
                {outgoing.state === 'waiting' ? 'Retry now' : 'Retry'}
              </button>
              <button type="button" class="small" onClick={edit}>
                {text === '' ? 'Dismiss' : 'Edit'}
              </button>
            </span>
          )}
        </div>
      )}
    </>
  );
}

// Waiting is the line before the first word.
function Waiting({ chat }: { chat: Conversation }) {
  const last = chat.items.value.at(-1);
  const sending = chat.outgoing.value?.state === 'sending';
  if (!chat.streaming.value && !sending) return null;
  if (chat.problem.value) return null;
  const speaking = last?.type === 'assistant_message' && last.content.some((part) => part.text !== '');
  const working = last?.type === 'workflow' && last.workflow.summary === undefined && last.workflow.tasks.length > 0;
  if (!sending && (speaking || working) && chat.progress.value === '') return null;
  return (
    <div class="waiting">
      <i aria-hidden="true" />
      {chat.stopping.value ? 'Stopping…' : chat.progress.value || 'Thinking…'}
    </div>
  );
}

function problemOf(chat: Conversation): Problem | undefined {
  return chat.streaming.value || chat.outgoing.value ? undefined : chat.problem.value;
}

function ProblemView({ chat, problem }: { chat: Conversation; problem: Problem }) {
  return (
    <div class="problem" role="alert" data-tone={problem.kind === 'failed' ? 'danger' : 'plain'}>
      <Icon name={problem.kind === 'stopped' ? 'stop' : 'warn'} />
      <span>{problem.message}</span>
      {problem.retry && (
        <span class="problem-actions">
          <button type="button" class="small" onClick={() => chat.retry()}>
            Retry
          </button>
        </span>
      )}
    </div>
  );
}
