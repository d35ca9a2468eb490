import { signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Icon } from '../shared/icons';
import { bounded, pauseOrResume, paused } from './log';
import { fields, filterOf, labels, presets, readTyped, types, type Field } from './filter';
import { time } from './format';
import { Glyph } from './glyph';
import { amend, go, href, place } from './router';

const mistake = signal('');

/** Adds a value to the filter. Stream, user and thread exclude each other: the newest holds. */
export function addFilter(field: Field, value: string): void {
  const { query } = place.value;
  const others = field === 'user' || field === 'thread' || field === 'stream' ? { user: '', thread: '', stream: '' } : {};
  const values = field === 'type' ? [...new Set([...query.getAll('type'), value])] : [value];
  amend({ ...others, [field]: values });
}

function drop(field: Field, value: string): void {
  amend({ [field]: place.value.query.getAll(field).filter((v) => v !== value) });
}

export function FilterBar() {
  const field = useRef<HTMLInputElement>(null);
  const filter = [...filterOf(place.value.query)] as [Field, string][];
  const submit = (e: Event) => {
    e.preventDefault();
    const el = field.current!;
    if (el.value.trim() === '') return;
    const typed = readTyped(el.value);
    mistake.value = 'problem' in typed ? typed.problem : '';
    if ('problem' in typed) return;
    el.value = '';
    if ('trace' in typed) go('turn', { id: typed.trace });
    else addFilter(typed.field, typed.value);
  };
  return (
    <div class="filters">
      <form class="filter-field" onSubmit={submit}>
        <Icon name="search" size={14} />
        <input
          id="filter"
          ref={field}
          placeholder="user:alice, since:10:00, task.completed, or an id"
          aria-label="Filter, or find an id"
          aria-describedby={mistake.value ? 'filter-mistake' : undefined}
          aria-invalid={mistake.value !== ''}
          list="known-filters"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          enterkeyhint="search"
          onInput={() => (mistake.value = '')}
          onKeyDown={(e) => e.key === 'Escape' && ((mistake.value = ''), e.currentTarget.blur())}
        />
        <datalist id="known-filters">
          {[...fields.map((name) => `${name}:`), ...types].map((known) => (
            <option key={known} value={known} />
          ))}
        </datalist>
      </form>
      <Live />
      {mistake.value && (
        <p class="mistake" id="filter-mistake" role="alert">
          {mistake.value}
        </p>
      )}
      {filter.length === 0 ? (
        <ul class="chips" aria-label="Usual filters">
          {presets.map(({ name, of }) => (
            <li key={name}>
              <a class="chip preset" href={href('log', { type: of })}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      ) : (
        <ul class="chips" aria-label="Filters">
          {filter.map(([name, value]) => (
            <li key={name + value} class="chip">
              <span>
                {labels[name]} <b>{name === 'since' || name === 'until' ? time(value) : value}</b>
              </span>
              <button type="button" aria-label={`Remove ${labels[name]} ${value}`} title="Remove" onClick={() => drop(name, value)}>
                <Icon name="close" size={12} />
              </button>
            </li>
          ))}
          <li>
            <button type="button" class="link" onClick={() => amend(Object.fromEntries(fields.map((name) => [name, ''])))}>
              Clear all
            </button>
          </li>
        </ul>
      )}
    </div>
  );
}

function Live() {
  if (bounded(place.value.query)) return <span class="live hint">A range with an end: not live</span>;
  const on = !paused.value;
  return (
    <button type="button" class="small live" aria-pressed={on} onClick={pauseOrResume} title={on ? 'Hold still (p)' : 'Follow again (p)'}>
      {on ? <i class="pulse" aria-hidden="true" /> : <Glyph name="pause" size={14} />}
      {on ? 'Live' : 'Paused'}
    </button>
  );
}
