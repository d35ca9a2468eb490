import { json } from './format';
import { changes } from './timeline';

/** What a step changed, field by field: the old value in red with a minus, the new one in green with a plus. */
export function Diff({ before, after }: { before: unknown; after: unknown }) {
  const list = changes(before, after);
  if (list.length === 0) return <p class="hint same">This event changed nothing of the state.</p>;
  return (
    <section class="diff" aria-label="What it changed">
      <h2>{nothing(before) ? 'Added' : nothing(after) ? 'Removed' : 'Changed'}</h2>
      <dl>
        {list.map((change) => (
          <div key={change.field}>
            <dt>{change.field}</dt>
            <dd>
              {'before' in change && (
                <del>
                  <i aria-hidden="true">−</i>
                  <span>{text(change.before)}</span>
                </del>
              )}
              {'after' in change && (
                <ins>
                  <i aria-hidden="true">+</i>
                  <span>{text(change.after)}</span>
                </ins>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const nothing = (value: unknown) => value === null || value === undefined;
const text = (value: unknown) => (typeof value === 'string' ? value || '(empty)' : json(value));
