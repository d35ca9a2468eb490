import { useEffect } from 'preact/hooks';
import { useLasting } from '../shared/hooks';
import { Icon } from '../shared/icons';
import { Problem, Skeleton } from './bits';
import { Chart } from './chart';
import { checks, every, overall, problem, readings, sample, series } from './health';

const [least, most] = [60_000, 5 * 60_000]; // ms: the width grows until it is full

export function HealthView() {
  useEffect(sample, []);
  const all = readings.value;
  const span = Math.min(most, Math.max(least, (all.at(-1)?.at ?? 0) - (all[0]?.at ?? 0)));
  const skeleton = useLasting(all.length === 0 && !problem.value);
  return (
    <section class="pane main" aria-label="Health">
      <header class="pane-head bar">
        <h2>Health</h2>
        <span class="hint">every {every / 1000} s while this is open, the last five minutes</span>
      </header>
      <div class="scroll" tabIndex={0} role="region" aria-label="Figures">
        {skeleton && <Skeleton label="Loading figures" />}
        {problem.value && <Problem text={problem.value}>The figures could not be read, trying again:</Problem>}
        {overall.value && (
          <ul class="checks" aria-label="Parts of the server">
            <li data-status={overall.value}>
              <Icon name={overall.value === 'ok' ? 'check' : 'warn'} size={14} /> Server <b>{overall.value}</b>
            </li>
            {checks.value.map((check) => (
              <li key={check.name} data-status={check.status}>
                <Icon name={check.status === 'ok' ? 'check' : 'warn'} size={14} /> {check.name.replaceAll('_', ' ')} <b>{check.status}</b>
                {check.optional && check.status !== 'ok' && <small>not needed to serve</small>}
              </li>
            ))}
          </ul>
        )}
        {all.length > 0 && (
          <div class="charts">
            {series.map((one, i) => (
              <Chart key={one.name} name={one.name} about={one.about} points={all.map(({ at, values }) => ({ at, value: values[i] }))} format={one.format} span={span} />
            ))}
          </div>
        )}
      </div>
    </section>
  );
}
