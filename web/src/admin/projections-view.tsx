import { useEffect, useState } from 'preact/hooks';
import { Dialog } from '../shared/dialogs';
import { useLasting } from '../shared/hooks';
import { Icon } from '../shared/icons';
import type { Failure, Projection, Rebuild } from './api';
import { At, Empty, Problem, Skeleton, Type } from './bits';
import { duration, number, plural } from './format';
import { give, ordersFor, problem, projections, rebuildAll, rebuilding, state, watch, type Order } from './projections';
import { href } from './router';

export function ProjectionsView() {
  const [order, ask] = useState<Order>();
  const [tries, again] = useState(0);
  useEffect(watch, [tries]);
  const skeleton = useLasting(state.value === 'loading');
  const list = projections.value;
  const busy = list.some(rebuilding);
  return (
    <section class="pane main" aria-label="Projections">
      <header class="pane-head bar">
        <h2>Projections</h2>
        <button type="button" class="small" disabled={list.length === 0 || busy} onClick={() => ask(rebuildAll)}>
          Rebuild all
        </button>
      </header>
      <div class="scroll cards" tabIndex={-1}>
        {skeleton && <Skeleton label="Loading projections" />}
        {problem.value && (
          <Problem text={problem.value} {...(state.value === 'failed' && { retry: () => again(tries + 1) })}>
            {state.value === 'failed' ? 'The projections could not be read:' : 'What is shown may be old:'}
          </Problem>
        )}
        {state.value === 'ready' && list.length === 0 && <Empty title="No projections">This server has none.</Empty>}
        {list.map((p) => (
          <Card key={p.name} projection={p} ask={ask} />
        ))}
      </div>
      {order && <Confirm order={order} close={() => ask(undefined)} />}
    </section>
  );
}

const tones: Record<Projection['state'], string> = { running: 'ok', rebuilding: 'accent', paused: 'warn', failed: 'danger' };

function Card({ projection: p, ask }: { projection: Projection; ask: (order: Order) => void }) {
  const head = `projection-${p.name}`;
  const now = rebuilding(p) && p.state !== 'rebuilding' ? 'rebuilding beside' : '';
  return (
    <article class="card" aria-labelledby={head} data-state={p.state}>
      <header>
        <h3 id={head}>{p.name}</h3>
        <span class="badge" data-tone={tones[p.state]}>
          {p.state}
        </span>
        {now && (
          <span class="badge" data-tone="accent">
            {now}
          </span>
        )}
        <small>
          version {p.version}, generation {p.generation}
        </small>
        <span class="buttons">
          {ordersFor(p).map((order) => (
            <button key={order.label} type="button" class={order.danger ? 'small danger' : 'small'} aria-label={`${order.label}: ${p.name}`} onClick={() => ask(order)}>
              {order.label}
            </button>
          ))}
        </span>
      </header>
      <dl class="figures">
        <Figure name="Position" value={p.position} of={`of ${p.head}`} />
        <Figure name="Lag" value={p.lag_events === 0 ? 'none' : plural(p.lag_events, 'event') + (p.lag_at_least ? ' or more' : '')} of={p.lag_events === 0 ? '' : duration(p.lag_seconds * 1000)} tone={p.lag_seconds > 5 ? 'warn' : ''} />
        <Figure name="Rate" value={`${number(p.rate)}/s`} />
        <Figure name="Rollback" value={p.previous === undefined ? 'not possible' : `to generation ${p.previous}`} />
      </dl>
      {p.failure && <FailureBox failure={p.failure} />}
      {p.rebuild && <RebuildBox rebuild={p.rebuild} name={p.name} />}
    </article>
  );
}

function Figure({ name, value, of = '', tone = '' }: { name: string; value: string; of?: string; tone?: string }) {
  return (
    <div data-tone={tone}>
      <dt>{name}</dt>
      <dd>
        {value} {of && <small>{of}</small>}
      </dd>
    </div>
  );
}

function FailureBox({ failure: f }: { failure: Failure }) {
  return (
    <div class="problem" data-tone="danger" role="alert">
      <Icon name="warn" />
      <span>
        <b>{f.reason}</b>
        <span class="failure-facts">
          {f.position && (
            <>
              before <a href={href('log', { event: f.position })}>position {f.position}</a> {f.type && <Type type={f.type} />} {f.stream && `in ${f.stream}`} ·{' '}
            </>
          )}
          {plural(f.attempts, 'attempt')} since <At iso={f.since} />
        </span>
      </span>
    </div>
  );
}

const phases = [
  ['fold', 'Fold the log'],
  ['index', 'Index'],
  ['catch_up', 'Catch up'],
  ['compare', 'Compare'],
  ['swap', 'Swap'],
] as const;

function RebuildBox({ rebuild: r, name }: { rebuild: Rebuild; name: string }) {
  const at = phases.findIndex(([phase]) => phase === r.phase);
  const share = r.total ? Math.min(1, r.events / r.total) : undefined;
  const ended = at < 0;
  const [open, setOpen] = useState(!ended);
  useEffect(() => {
    if (!ended) setOpen(true);
  }, [ended]);
  const took = r.ended ? Date.parse(r.ended) - Date.parse(r.started) : 0;
  const word = r.paused ? 'Paused' : ended ? { done: 'Done', failed: 'Failed', canceled: 'Canceled' }[r.phase as 'done'] : phases[at]![1];
  return (
    <details class="rebuild" data-phase={r.phase} open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>
        <Icon name="chevron" size={12} />
        {ended ? 'Last rebuild' : 'Rebuild'}: <b>{word}</b>
        <small>
          {ended ? (
            <>
              <At iso={r.ended ?? r.started} />
              {took > 0 && `, ${plural(r.events, 'event')} in ${duration(took)}`}
            </>
          ) : (
            <>
              {number(r.events)}
              {r.total ? ` of ${plural(r.total, 'event')}` : ' events'} · {number(r.rate)}/s
              {r.eta_seconds > 0 && !r.paused && ` · ${duration(r.eta_seconds * 1000)} left`}
            </>
          )}
        </small>
      </summary>
      {!ended && (
        <>
          <progress aria-label={`Rebuild of ${name}`} max={1} {...(share !== undefined && { value: share })} data-paused={r.paused} />
          <ol class="phases">
            {phases.map(([phase, label], i) => (
              <li key={phase} data-is={i < at ? 'past' : i === at ? 'now' : 'next'} aria-current={i === at ? 'step' : undefined}>
                {i < at && <Icon name="check" size={12} />} {label}
              </li>
            ))}
          </ol>
        </>
      )}
      {r.error && <Problem text={r.error} />}
      {r.compare && <Compared compare={r.compare} />}
    </details>
  );
}

function Compared({ compare: c }: { compare: NonNullable<Rebuild['compare']> }) {
  const list = c.differences ?? [];
  return (
    <div class="compared">
      <p data-equal={c.equal}>
        <Icon name={c.equal ? 'check' : 'warn'} size={14} />
        {c.equal ? `New and old are equal: ${plural(c.rows, 'row')}.` : `New and old differ in ${plural(list.length + (c.more ?? 0), 'row')} of ${number(c.rows)}.`}
        {c.hash && <code title={c.hash}>{c.hash.slice(0, 16)}</code>}
      </p>
      {list.length > 0 && (
        <div class="wide-table" tabIndex={0} role="region" aria-label="Differences">
          <table>
            <thead>
              <tr>
                <th scope="col">Table</th>
                <th scope="col">Key</th>
                <th scope="col">Old and new</th>
              </tr>
            </thead>
            <tbody>
              {list.map((d) => (
                <tr key={d.table + d.key}>
                  <td>{d.table}</td>
                  <td>{d.key}</td>
                  <td class="diff">
                    <del>
                      <i aria-hidden="true">−</i>
                      <span>{d.old || '(no row)'}</span>
                    </del>
                    <ins>
                      <i aria-hidden="true">+</i>
                      <span>{d.new || '(no row)'}</span>
                    </ins>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {(c.more ?? 0) > 0 && <p class="hint">And {plural(c.more!, 'more row')}.</p>}
        </div>
      )}
    </div>
  );
}

function Confirm({ order, close }: { order: Order; close: () => void }) {
  const what = `${order.label}: ${order.name === 'all' ? 'all projections' : order.name}`;
  return (
    <Dialog label={what} close={close}>
      <div class="confirm">
        <h2>{what}</h2>
        <p>{order.says}</p>
        <div class="buttons">
          <button type="button" class="small" onClick={close}>
            Leave it
          </button>
          <button type="button" class={order.danger ? 'small danger' : 'small primary'} onClick={() => (close(), void give(order))}>
            {order.label}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
