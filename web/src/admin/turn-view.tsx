import { useRef } from 'preact/hooks';
import { Icon } from '../shared/icons';
import { listEvents, trace, type TraceNode } from './api';
import { At, Empty, Problem, Skeleton, Type, useWidth } from './bits';
import { duration, exactTime, happened, plural } from './format';
import { Glyph } from './glyph';
import { JsonView } from './json-view';
import { useLoad } from './load';
import { amend, amended, go, href, place } from './router';
import { TreePicture } from './tree-picture';
import { find, layout, related, times, type Box } from './tree';

export function TurnView() {
  const id = place.value.query.get('id') ?? '';
  const field = useRef<HTMLInputElement>(null);
  return (
    <section class="pane main" aria-label="Turn">
      <form
        class="filters"
        key={id}
        onSubmit={(e) => {
          e.preventDefault();
          const text = field.current!.value.trim();
          if (text !== '') go('turn', { id: text });
        }}
      >
        <label class="filter-field">
          <Icon name="search" size={14} />
          <input id="filter" ref={field} aria-label="Id of an event, request, turn or tool call" placeholder="Id of an event, request, turn or call" defaultValue={id} autocomplete="off" autocapitalize="off" spellcheck={false} enterkeyhint="go" />
        </label>
        {id && (
          <a class="small" href={href('turn')}>
            Latest
          </a>
        )}
      </form>
      {id === '' ? <Latest /> : <Trace key={id} id={id} />}
    </section>
  );
}

const ends = ['turn.completed.v1', 'turn.failed.v1', 'turn.cancelled.v1', 'turn.interrupted.v1'];

function Latest() {
  const query = new URLSearchParams([...ends.map((type) => ['type', type]), ['order', 'desc'], ['limit', '50']]);
  const { value: page, problem, slow, again } = useLoad((signal) => listEvents(query, signal));
  if (problem) return <Problem text={problem} retry={again} />;
  if (!page) return slow ? <Skeleton label="Loading turns" /> : null;
  const turns = page.data;
  if (turns.length === 0) return <Empty title="No turn yet">A turn is what happens when somebody writes in the chat. It shows here once it has ended.</Empty>;
  return (
    <div class="scroll latest" tabIndex={-1}>
      <h2>Latest turns</h2>
      <ul>
        {turns.map((event) => (
          <li key={event.position}>
            <a href={href('turn', { id: String((event.data as { turn_id?: string }).turn_id ?? event.id) })}>
              <Type type={event.type} />
              <span class="summary">{event.summary}</span>
              <At iso={happened(event)} />
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Trace({ id }: { id: string }) {
  const { value: root, problem, slow, again } = useLoad((signal) => trace(id, signal));
  if (problem) {
    return (
      <Problem text={problem} retry={again}>
        {id} leads nowhere:
      </Problem>
    );
  }
  return root ? <Tree root={root} id={id} /> : slow ? <Skeleton label="Loading the turn" /> : null;
}

function Tree({ root, id }: { root: TraceNode; id: string }) {
  const box = useRef<HTMLDivElement>(null);
  const room = useWidth(box);
  const { query } = place.value;
  const picture = layout(root, Math.max(300, room - 2));
  const { boxes } = picture;
  const asked = find(boxes, id);
  const chosen = boxes.find((b) => b.path === query.get('node')) ?? asked ?? boxes[0]!;
  const show = query.get('show');
  const lit = show === 'causes' || show === 'effects' ? related(boxes, chosen, show) : undefined;
  const all = times(boxes);
  const choose = (to: Box) => amend({ node: to.path }, 'replace');
  return (
    <div class="scroll turn" tabIndex={-1}>
      <div class="turn-head">
        <p class="headline">{root.title}</p>
        <span class="hint">
          {plural(boxes.length, 'step')}
          {all.total > 0 && `, ${duration(all.total)}`}
        </span>
        <div class="segments" role="group" aria-label="Show">
          {(['', 'causes', 'effects'] as const).map((which) => (
            <a key={which} href={href('turn', amended({ show: which, node: chosen.path }))} aria-current={(show ?? '') === which ? 'true' : undefined}>
              {which === '' ? 'All' : which === 'causes' ? 'Its causes' : 'Its effects'}
            </a>
          ))}
        </div>
      </div>
      <div ref={box}>{room > 0 && <TreePicture picture={picture} chosen={chosen} lit={lit} choose={choose} />}</div>
      <div class="beside">
        <Where all={all} chosen={chosen} choose={choose} />
        <Chosen box={chosen} />
      </div>
    </div>
  );
}

const kinds: Record<string, string> = { request: 'Request', message: 'Message', turn: 'Turn', model: 'Model', tool: 'Tool', event: 'Event', rest: 'The rest: storing, waiting' };

// Where the time went: a bar of shares, and under it who ran when.
function Where({ all, chosen, choose }: { all: ReturnType<typeof times>; chosen: Box; choose: (box: Box) => void }) {
  const { bars, spent, total } = all;
  const share = (ms: number) => `${(100 * ms) / total}%`;
  return (
    <section class="where-time" aria-label="Where the time went">
      <h2>Where the time went</h2>
      {total === 0 ? (
        <p class="hint">Nothing here took a time that was measured.</p>
      ) : (
        <>
          <div class="shares" aria-hidden="true">
            {spent.map(({ kind, ms }) => (
              <i key={kind} data-kind={kind} style={{ width: share(ms) }} />
            ))}
          </div>
          <ul class="legend">
            {spent.map(({ kind, ms }) => (
              <li key={kind}>
                <i data-kind={kind} aria-hidden="true" />
                {kinds[kind]} <b>{duration(ms)}</b> <small>{Math.round((100 * ms) / total)} %</small>
              </li>
            ))}
          </ul>
          <ul class="bars">
            {bars.map(({ box, start, ms }) => (
              <li key={box.path}>
                <button type="button" aria-pressed={box.path === chosen.path} onClick={() => choose(box)}>
                  <span class="bar-name">{box.node.title}</span>
                  <span class="lane">
                    <i data-kind={box.node.kind} style={{ left: share(start), width: share(ms) }} />
                  </span>
                  <span class="num">{duration(ms)}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Chosen({ box: { node } }: { box: Box }) {
  const detail = node.detail && typeof node.detail === 'object' ? Object.entries(node.detail) : [];
  const plain = detail.filter(([, value]) => value === null || typeof value !== 'object');
  const deep = detail.filter(([, value]) => value !== null && typeof value === 'object');
  return (
    <section class="chosen" aria-label="Chosen step">
      <h2>
        {kinds[node.kind] ?? node.kind}
        <small class="id">{node.id}</small>
      </h2>
      <p class="headline">{node.title}</p>
      <dl class="facts">
        {node.start && (
          <>
            <dt>Began</dt>
            <dd>
              <time dateTime={node.start}>{exactTime(node.start)}</time>
            </dd>
          </>
        )}
        {(node.duration_ms ?? 0) > 0 && (
          <>
            <dt>Took</dt>
            <dd>{duration(node.duration_ms!)}</dd>
          </>
        )}
        {plain.map(([name, value]) => (
          <>
            <dt>{name.replaceAll('_', ' ')}</dt>
            <dd class="long">{String(value)}</dd>
          </>
        ))}
        {typeof node.detail === 'string' && (
          <>
            <dt>Detail</dt>
            <dd class="long">{node.detail}</dd>
          </>
        )}
      </dl>
      {node.events && node.events.length > 0 && (
        <ul class="events" aria-label="Events">
          {node.events.map((event) => (
            <li key={event.position}>
              <a href={href('log', { event: event.position })}>
                <Type type={event.type} />
                <span class="summary">{event.summary}</span>
                <span class="num">{event.position}</span>
              </a>
              <a class="quiet" href={href('stream', { stream: event.stream, revision: event.revision })} aria-label={`State after ${event.type} in ${event.stream}`} title="The state after it">
                <Glyph name="stream" size={14} />
              </a>
            </li>
          ))}
        </ul>
      )}
      {deep.map(([name, value]) => (
        <JsonView key={name} label={name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')} value={value} />
      ))}
    </section>
  );
}
