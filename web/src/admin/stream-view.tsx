import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Icon } from '../shared/icons';
import { replay, type Step } from './api';
import { At, Empty, Problem, Skeleton, Type } from './bits';
import { Diff } from './diff';
import { family, ownerOf, plural } from './format';
import { Glyph } from './glyph';
import { JsonView } from './json-view';
import { useLoad } from './load';
import { amend, go, href, place } from './router';
import { StateView } from './state-view';
import { agrees, Timeline } from './timeline';

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
        <History key={stream} stream={stream} />
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
  if (/^(user|thread|audit)-/.test(text)) return text;
  const escaped = encodeURIComponent(text.replace(/^(user|thread):/, '')).replaceAll(/[!~*'()]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${/^(thread:|thr_)/.test(text) ? 'thread' : 'user'}-${escaped.replaceAll('%40', '@')}`;
}

function History({ stream }: { stream: string }) {
  const query = new URLSearchParams({ ...ownerOf(stream)!, steps: 'true' });
  const { value: got, problem, slow, again } = useLoad((signal) => replay(query, signal));
  const timeline = useMemo(() => got && new Timeline(got.steps ?? []), [got]);
  if (problem) {
    return (
      <Problem text={problem} retry={again}>
        The history could not be read:
      </Problem>
    );
  }
  if (!got || !timeline) return slow ? <Skeleton label="Loading the history" /> : null;
  if (timeline.steps.length === 0) return <Empty title="Nothing has happened here yet">No event is in {stream}.</Empty>;
  return (
    <>
      {!agrees(timeline, got) && <Problem text="What the steps changed does not add up to the state that the server has. Trust the server's; chatkitd replay shows it." />}
      <Travel timeline={timeline} stream={stream} reload={again} />
    </>
  );
}

function Travel({ timeline, stream, reload }: { timeline: Timeline; stream: string; reload: () => void }) {
  const { steps } = timeline;
  const asked = place.value.query.get('revision');
  const last = steps.length - 1;
  const at = asked === null ? last : Math.max(0, Math.min(last, timeline.find(Number(asked))));
  const [playing, setPlaying] = useState(false);
  const move = (to: number) => {
    const step = steps[Math.max(0, Math.min(last, to))]!;
    amend({ revision: step.event.revision }, 'replace');
  };
  useEffect(() => {
    if (!playing) return;
    if (at >= last) return setPlaying(false);
    const timer = setTimeout(() => move(at + 1), playEvery);
    return () => clearTimeout(timer);
  }, [playing, at, last]);
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
  const step = steps[at]!;
  const { event } = step;
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
          <Ticks steps={steps} at={at} />
          <input
            type="range"
            aria-label="Revision"
            aria-valuetext={`Revision ${event.revision} of ${steps[last]!.event.revision}: ${event.summary || event.type}`}
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
          <b>{event.revision}</b> of {steps[last]!.event.revision}
        </span>
        <button type="button" class="quiet" aria-label="Read again" title="Read what has happened since" onClick={reload}>
          <Icon name="retry" size={14} />
        </button>
      </div>
      <div class="beside">
        <StateView state={timeline.at(at)} step={step} stream={stream} />
        <section class="step scroll" aria-label="Step" tabIndex={-1}>
          <header>
            <p class="headline">{event.summary || event.type}</p>
            <p class="step-facts">
              <Type type={event.type} /> <At iso={event.time} /> <a href={href('log', { stream, event: event.position })}>position {event.position}</a>
            </p>
            <Because step={step} />
            <div class="buttons">
              <a class="small" href={href('turn', { id: event.id, show: 'causes' })}>
                <Glyph name="causes" size={14} /> What caused this?
              </a>
              <a class="small" href={href('turn', { id: event.id, show: 'effects' })}>
                What did this cause? <Glyph name="effects" size={14} />
              </a>
            </div>
          </header>
          <Diff before={step.before} after={step.after} />
          <JsonView label="Event" value={event.data} />
        </section>
      </div>
      <p class="offscreen" role="status">
        {playing ? '' : `Revision ${event.revision}: ${event.summary || event.type}. ${plural(timeline.at(at).size, 'part')}.`}
      </p>
    </>
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

// A mark for each step, in the colour of its kind.
function Ticks({ steps, at }: { steps: readonly Step[]; at: number }) {
  const each = width / Math.max(1, steps.length - 1);
  const stride = Math.ceil(steps.length / 400); // more cannot be told apart
  return (
    <svg class="ticks" viewBox={`0 0 ${width} 10`} preserveAspectRatio="none" aria-hidden="true">
      {steps.map((step, i) => i % stride === 0 && <rect key={i} data-family={family(step.event.type)} data-past={i <= at} x={i * each - 1} y={0} width={Math.max(1.5, Math.min(4, each * stride * 0.6))} height={10} />)}
    </svg>
  );
}
