import { expect, test } from 'vitest';

// Both pages have one style sheet: what one of them is dressed in must not fit the other.
const sheets = import.meta.glob<string>('./*.css', { query: '?raw', import: 'default', eager: true });
const sources = import.meta.glob<string>('../{admin,chat,shared}/*.tsx', { query: '?raw', import: 'default', eager: true });
const common = ['hint', 'pane', 'problem', 'quiet', 'scroll', 'segments', 'skeleton', 'small']; // of base.css and layout.css, which a page may refine

// The classes that a rule of the sheets begins with.
function dressed(...names: string[]): Set<string> {
  const css = names.map((name) => sheets[`./${name}.css`]!.replaceAll(/\/\*.*?\*\//gs, '')).join('\n');
  return new Set([...css.matchAll(/(?:^|\n|,\s*)\s*\.([a-z][\w-]*)/g)].map((m) => m[1]!));
}

function worn(folder: string): string[] {
  const tsx = Object.entries(sources).flatMap(([path, text]) => (path.startsWith(`../${folder}/`) ? [text] : []));
  const strings = tsx.flatMap((text) => [...text.matchAll(/class=(?:"([^"]*)"|\{([^}]*)\})/g)].map((m) => m[1] ?? (m[2]!.match(/'[^']*'|`[^`]*`/g) ?? []).join(' ')));
  return [...new Set(strings.flatMap((s) => s.match(/[a-z][\w-]*/g) ?? []))];
}

test.each([
  ['admin', ['conversation', 'tasks']],
  ['chat', ['admin']],
  ['shared', ['admin']],
])('what %s wears is not dressed by %s', (folder, others) => {
  expect(worn(folder).length).toBeGreaterThan(5);
  expect(dressed(...others).size).toBeGreaterThan(20);
  expect(worn(folder).filter((name) => dressed(...others).has(name) && !common.includes(name))).toEqual([]);
});
