import { useEffect, useRef, useState } from 'preact/hooks';
import { useLasting } from '../shared/hooks';
import { Icon } from '../shared/icons';
import type { Step } from './api';
import { At, Causes, Empty, Problem, Skeleton, Type } from './bits';
import { Diff } from './diff';
import { explain } from './follow';
import { family, happened, ownerOf, plural } from './format';
import { Glyph } from './glyph';
import { StreamHistory } from './history';
import { JsonView } from './json-view';
import { amend, go, href, place } from './router';
import { StateView } from './state-view';
import type { Timeline } from './timeline';

const playEvery = 700; // ms a step

export function StreamView() {
  const stream = place.value.query.get('stream') ?? '';
  return (
    <section class="pane main" aria-label="Stream">
      <Chooser key={stream} stream={stream} />
      {stream === '' ? (
        <Empty title="Whose history?">
          Name a user or a thread above, and slide through what they had at any time. Streams of the log lead here too: <a href={href('log')}>open the log</a>.
        </Empty>
      ) : ownerOf(stream) ? (
        <Past key={stream} stream={stream} />
      ) : (
        <Empty title={`${stream} has no state`}>
          Only users and threads have one. <a href={href('log', { stream })}>Its events are in the log</a>.
        </Empty>
      )}
    </section>
  );
}

function Chooser({ stream }: { stream: string }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <form
      class="filters"
      onSubmit={(e) => {
        e.preventDefault();
        const text = field.current!.value.trim();
        if (text !== '') go('stream', { stream: nameOf(text) });
      }}
    >
      <label class="filter-field">
        <Icon name="search" size={14} />
        <input id="filter" ref={field} aria-label="User, thread or stream" placeholder="alice, or thr_…" defaultValue={stream} autocomplete="off" autocapitalize="off" spellcheck={false} enterkeyhint="go" />
      </label>
    </form>
  );
}

/** The stream that a person means by a name. */
function nameOf(text: string): string {
  if (/^(user|thread|audit|node)-/.test(text)) return text;
  const escaped = encodeURIComponent(text.replace(/^(user|thread):/, '')).replaceAll(/[!~*'()]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${/^(thread:|thr_)/.test(text) ? 'thread' : 'user'}-${escaped.replaceAll('%40', '@')}`;
}

/** Reads the history of a stream for as long as it is looked at. */
function useHistory(stream: string): { history: StreamHistory | undefined; version: number; failure: string; again: () => void } {
  const [history, set] = useState<StreamHistory>();
  const [failure, setFailure] = useState('');
  const [tries, retry] = useState(0);
  const [version, redraw] = useState(0); // of what has been read
  useEffect(() => {
    const looking = new AbortController();
    const fresh = new StreamHistory(stream, ownerOf(stream)!, () => redraw((n) => n + 1), looking.signal);
    setFailure('');
    fresh.open().then(
      () => looking.signal.aborted || set(fresh),
      (err) => looking.signal.aborted || setFailure(explain(err)),
    );
    return () => looking.abort();
  }, [stream, tries]);
  return { history, version, failure, again: () => retry(tries + 1) };
}

function Past({ stream }: { stream: string }) {
  const { history, version, failure, again } = useHistory(stream);
  const slow = useLasting(!history && failure === '');
  if (failure) {
    return (
      <Problem text={failure} retry={again}>
        The history could not be read:
      </Problem>
    );
  }
  if (!history) return slow ? <Skeleton label="Loading the history" /> : null;
  if (history.last < 0) return <Empty title="Nothing has happened here yet">No event is in {stream}.</Empty>;
  return (
    <>
      {history.doubtful && <Problem text="What the steps changed does not add up to the state that the server has. Trust the server's; chatkitd replay shows it." />}
      <Travel history={history} version={version} stream={stream} />
    </>
  );
}

const settle = 120; // ms that the slider rests before a part is read

// version says that there is something new to draw: history itself stays the same object.
function Travel({ history, stream }: { history: StreamHistory; version: number; stream: string }) {
  const asked = place.value.query.get('revision');
  const { last } = history;
  // Without a revision it is the end, also when that moves on.
  const at = asked === null || !/^\d+$/.test(asked) ? last : Math.min(last, Number(asked));
  const timeline = history.part(at);
  const index = timeline?.find(at) ?? -1;
  const step = timeline?.steps[index];
  const slow = useLasting(!step);
  const [playing, setPlaying] = useState(false);
  const move = (to: number) => amend({ revision: to >= last ? undefined : Math.max(0, to) }, 'replace');
  useEffect(() => {
    if (step) return;
    const timer = setTimeout(() => void history.want(at), playing ? 0 : settle);
    return () => clearTimeout(timer);
  }, [history, at, step === undefined, playing]);
  useEffect(() => {
    if (!playing || !step) return;
    if (at >= last) return setPlaying(false);
    const timer = setTimeout(() => move(at + 1), playEvery);
    return () => clearTimeout(timer);
  }, [playing, at, last, step === undefined]);
  const playOrPause = () => {
    if (!playing && at >= last) move(0);
    setPlaying(!playing);
  };
  useEffect(() => {
    const keys = (e: KeyboardEvent) => {
      const el = e.target as HTMLElement;
      if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || el.closest('input:not([type=range]), textarea, select, dialog, [popover]')) return;
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, PageUp: at - 10, PageDown: at + 10 }[e.key];
      if (to !== undefined && !(el.closest('pre, .scroll') && /Page|Home|End/.test(e.key))) {
        setPlaying(false);
        move(to);
      } else if (e.key === 'p') playOrPause();
      else return;
      e.preventDefault();
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  });
  const what = step ? step.event.summary || step.event.type : 'not read yet';
  return (
    <>
      <div class="travel">
        <button type="button" class="quiet" aria-label="One step back" title="Back (←)" disabled={at === 0} onClick={() => move(at - 1)}>
          <Glyph name="back" />
        </button>
        <button type="button" class="quiet play" aria-label={playing ? 'Pause' : 'Play'} title={`${playing ? 'Pause' : 'Play'} (p)`} onClick={playOrPause}>
          <Glyph name={playing ? 'pause' : 'play'} />
        </button>
        <button type="button" class="quiet" aria-label="One step on" title="On (→)" disabled={at === last} onClick={() => move(at + 1)}>
          <Icon name="chevron" />
        </button>
        <div class="track">
          <Ticks steps={[...history.known()]} at={at} last={last} />
          <input
            type="range"
            aria-label="Revision"
            aria-valuetext={`Revision ${at} of ${last}: ${what}`}
            min={0}
            max={last}
            value={at}
            onInput={(e) => {
              setPlaying(false);
              move(Number(e.currentTarget.value));
            }}
          />
        </div>
        <span class="where">
          <b>{at}</b> of {last}
        </span>
      </div>
      {history.problem && (
        <Problem text={history.problem} retry={() => void history.want(at)}>
          A part of the history could not be read:
        </Problem>
      )}
      {step && timeline ? <Moment timeline={timeline} index={index} stream={stream} /> : slow && !history.problem && <Skeleton label="Loading this part of the history" />}
      <p class="offscreen" role="status">
        {playing || !step ? '' : `Revision ${at}: ${what}. ${plural(timeline!.at(index).size, 'part')}.`}
      </p>
    </>
  );
}

// Moment is the state after a step, beside the step.
function Moment({ timeline, index, stream }: { timeline: Timeline; index: number; stream: string }) {
  const step = timeline.steps[index]!;
  const { event } = step;
  return (
    <div class="beside">
      <StateView state={timeline.at(index)} step={step} stream={stream} />
      <section class="step scroll" aria-label="Step" tabIndex={-1}>
        <header>
          <p class="headline">{event.summary || event.type}</p>
          <p class="step-facts">
            <Type type={event.type} /> <At iso={happened(event)} /> <a href={href('log', { stream, event: event.position })}>position {event.position}</a>
          </p>
          <Because step={step} />
          <Causes id={event.id} />
        </header>
        <Diff before={step.before} after={step.after} />
        <JsonView label="Event" value={event.data} />
      </section>
    </div>
  );
}

// Because says which message led to a step, or that a person did it by hand.
function Because({ step: { cause } }: { step: Step }) {
  if (!cause) return null;
  return (
    <p class="because">
      {cause.text ? (
        <>
          Because of the message <a href={href('turn', { id: cause.message ?? cause.turn ?? cause.request })}>“{cause.text}”</a>
          {cause.tool && ` (${cause.tool})`}
        </>
      ) : (
        cause.request && (
          <>
            By request <a href={href('turn', { id: cause.request })}>{cause.request}</a>
          </>
        )
      )}
    </p>
  );
}

const width = 1000; // of the picture, in its own units

// A mark for each step that has been read, in the colour of its kind.
function Ticks({ steps, at, last }: { steps: readonly Step[]; at: number; last: number }) {
  const each = width / Math.max(1, last);
  const stride = Math.ceil(steps.length / 400); // more cannot be told apart
  const mark = Math.max(1.5, Math.min(4, each * stride * 0.6));
  return (
    <svg class="ticks" viewBox={`0 0 ${width} 10`} preserveAspectRatio="none" aria-hidden="true">
      {steps.map(
        ({ event }, i) => i % stride === 0 && <rect key={event.revision} data-family={family(event.type)} data-past={event.revision <= at} x={event.revision * each - 1} y={0} width={mark} height={10} />,
      )}
    </svg>
  );
}
