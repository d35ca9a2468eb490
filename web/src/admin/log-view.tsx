import { useEffect } from 'preact/hooks';
import { useLasting } from '../shared/hooks';
import type { EventView } from './api';
import { At, Empty, narrow, Problem, Skeleton, Type, useMedia } from './bits';
import { EventDetail } from './event-detail';
import { FilterBar } from './filter-bar';
import { filterOf } from './filter';
import { happened, plural } from './format';
import { events, followProblem, hasMore, leave, more, moreProblem, most, problem, show, state } from './log';
import { amend, place } from './router';
import { Rows } from './rows';

const keyOf = (event: EventView) => event.position;

export function LogView() {
  const { query } = place.value;
  const filter = filterOf(query).toString();
  const small = useMedia(narrow);
  const skeleton = useLasting(state.value === 'loading');
  useEffect(() => {
    void show(place.value.query);
    return leave;
  }, [filter]);
  const list = events.value;
  const open = query.get('event') ?? '';
  return (
    <>
      <section class="pane main" aria-label="Log">
        <FilterBar />
        {followProblem.value && <Problem text={followProblem.value}>New events do not come in:</Problem>}
        {state.value === 'failed' ? (
          <Problem text={problem.value} retry={() => void show(query)}>
            The log could not be read:
          </Problem>
        ) : state.value === 'ready' && list.length === 0 ? (
          <Nothing filtered={filter !== ''} />
        ) : (
          <Rows
            label="Events, newest first"
            items={list}
            keyOf={keyOf}
            height={small ? 58 : 32}
            total={hasMore.value ? -1 : list.length}
            head={head}
            cells={small ? lines : cells}
            mark={() => ''}
            chosen={open}
            choose={(event) => amend({ event: event.position }, open ? 'replace' : 'push')}
            more={() => void more()}
          >
            {skeleton && <Skeleton label="Loading events" />}
            {moreProblem.value && (
              <Problem text={moreProblem.value} retry={() => void more()}>
                Earlier events could not be read:
              </Problem>
            )}
            {list.length >= most && hasMore.value && <p class="hint">The newest {plural(most, 'event')} are shown. Filter by time or position to see earlier ones.</p>}
          </Rows>
        )}
      </section>
      {open && <EventDetail key={open} position={open} close={closeEvent} />}
    </>
  );
}

/** Closes the open event, if there is one; the focus goes back to its row. */
export function closeEvent(): void {
  const position = place.value.query.get('event');
  if (!position) return;
  amend({ event: undefined });
  const at = events.value.findIndex((event) => event.position === position);
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`.row[data-at="${at}"]`)?.focus());
}

const head = (
  <>
    {['Time', 'Position', 'Stream', 'Rev', 'Type', 'Summary', 'Cause'].map((name) => (
      <span key={name} role="columnheader" data-column={name}>
        {name}
      </span>
    ))}
  </>
);

function cells(event: EventView) {
  return (
    <>
      <span role="gridcell" class="when">
        <At iso={happened(event)} />
      </span>
      <span role="gridcell" class="num">
        {event.position}
      </span>
      <span role="gridcell" title={event.stream}>
        {event.stream}
      </span>
      <span role="gridcell" class="num" data-column="Rev">
        {event.revision}
      </span>
      <span role="gridcell">
        <Type type={event.type} />
      </span>
      <span role="gridcell" class="summary" title={event.summary}>
        {event.summary}
      </span>
      <span role="gridcell" class="cause" title={event.cause} data-column="Cause">
        {event.cause}
      </span>
    </>
  );
}

// Where there is no room for columns an event has two lines.
function lines(event: EventView) {
  return (
    <>
      <span role="gridcell">
        <Type type={event.type} />
      </span>
      <span role="gridcell" class="when">
        <At iso={happened(event)} />
      </span>
      <span role="gridcell" class="summary">
        {event.summary || event.stream}
      </span>
      <span role="gridcell" class="num">
        {event.position}
      </span>
    </>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty title="No event matches">
      Nothing in the log fits all of these filters. Take one away, or wait: an event that fits shows here as soon as it happens.
    </Empty>
  ) : (
    <Empty title="The log is empty">
      Events appear here as soon as something happens. <a href="/">Write a message in the chat</a>, for a start.
    </Empty>
  );
}
