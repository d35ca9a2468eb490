import { useEffect, useRef } from 'preact/hooks';
import { CopyButton } from '../shared/copy';
import { Icon } from '../shared/icons';
import type { EventView } from './api';
import { Causes, Problem, Skeleton, Type } from './bits';
import { exactTime, ownerOf } from './format';
import { Glyph } from './glyph';
import { JsonView } from './json-view';
import { useLoad } from './load';
import { eventAt } from './log';
import { addFilter } from './filter-bar';
import { href } from './router';

export function EventDetail({ position, close }: { position: string; close: () => void }) {
  const { value: event, problem, slow, again } = useLoad((signal) => eventAt(position, signal));
  const button = useRef<HTMLButtonElement>(null);
  // Where it lies over the log the focus goes with it, else it stays in the list.
  useEffect(() => {
    if (matchMedia('(max-width: 1079px)').matches) button.current!.focus();
  }, []);
  return (
    <aside class="pane detail" aria-label={`Event ${position}`}>
      <header class="pane-head">
        <h2>Event {position}</h2>
        <button type="button" class="quiet" aria-label="Close" title="Close (Esc)" ref={button} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="scroll" tabIndex={-1}>
        {slow && <Skeleton label="Loading the event" />}
        {problem && <Problem text={problem} retry={again} />}
        {event && <Facts event={event} />}
      </div>
    </aside>
  );
}

function Facts({ event }: { event: EventView }) {
  const meta = event.metadata ?? {};
  const text = (name: string) => (typeof meta[name] === 'string' ? (meta[name] as string) : '');
  const owner = ownerOf(event.stream);
  const recorded = text('recorded_at');
  return (
    <>
      <p class="headline">{event.summary || event.type}</p>
      <Causes id={event.id} />
      <dl class="facts">
        <dt>Type</dt>
        <dd>
          <Type type={event.type} />
          <Only of="type" value={event.type} />
        </dd>
        <dt>Stream</dt>
        <dd>
          {owner ? <a href={href('stream', { stream: event.stream, revision: event.revision })}>{event.stream}</a> : event.stream}
          <Only of="stream" value={event.stream} />
        </dd>
        <dt>Revision</dt>
        <dd>{event.revision}</dd>
        <dt>Stored</dt>
        <dd>
          <time dateTime={event.time}>{exactTime(event.time)}</time>
        </dd>
        {recorded && Date.parse(recorded) !== Date.parse(event.time) && (
          <>
            <dt>Happened</dt>
            <dd>
              <time dateTime={recorded}>{exactTime(recorded)}</time>
            </dd>
          </>
        )}
        {text('user_id') && (
          <>
            <dt>User</dt>
            <dd>
              {text('user_id')}
              <Only of="user" value={text('user_id')} />
            </dd>
          </>
        )}
        {[
          ['Id', event.id],
          ['Request', text('$correlationId')],
          ['Cause', event.cause ?? text('$causationId')],
        ].map(
          ([name, value]) =>
            value && (
              <>
                <dt>{name}</dt>
                <dd class="id">
                  {name === 'Id' ? <span>{value}</span> : <a href={href('turn', { id: value })}>{value}</a>}
                  <CopyButton text={() => value} label={`Copy the ${name!.toLowerCase()}`} />
                </dd>
              </>
            ),
        )}
      </dl>
      <JsonView label="Data" value={event.data} />
      <JsonView label="Metadata" value={event.metadata} />
    </>
  );
}

function Only({ of, value }: { of: 'type' | 'stream' | 'user'; value: string }) {
  return (
    <button type="button" class="quiet" aria-label={`Show only this ${of}`} title={`Show only this ${of}`} onClick={() => addFilter(of, value)}>
      <Glyph name="filter" size={14} />
    </button>
  );
}
