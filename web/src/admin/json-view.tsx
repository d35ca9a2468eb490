import type { ComponentChildren } from 'preact';
import { CopyButton } from '../shared/copy';
import { json } from './format';

const tokens = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON to be read: indented, names and values in colours of their own. */
export function JsonView({ label, value }: { label: string; value: unknown }) {
  const text = json(value);
  const parts: ComponentChildren[] = [];
  let at = 0;
  // Beyond that a person searches in a copy; a hundred thousand colours would only be slow.
  for (const match of text.length > 60_000 ? [] : text.matchAll(tokens)) {
    const [whole, string, colon] = match;
    parts.push(text.slice(at, match.index));
    const kind = string ? (colon ? 'name' : 'string') : 'value';
    parts.push(<b data-kind={kind}>{string ?? whole}</b>, colon ?? '');
    at = match.index + whole.length;
  }
  parts.push(text.slice(at));
  return (
    <section class="json" aria-label={label}>
      <header>
        <h3>{label}</h3>
        <CopyButton text={() => text} label={`Copy ${label.toLowerCase()}`} />
      </header>
      <pre>{parts}</pre>
    </section>
  );
}
