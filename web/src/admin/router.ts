// The address holds the tab and what is looked at, behind the #, where it stays
// in the browser: #log?user=alice&event=12.
import { signal } from '@preact/signals';

export const tabs = ['log', 'stream', 'turn', 'projections', 'health'] as const;
export type Tab = (typeof tabs)[number];
export type Query = Record<string, string | number | readonly string[] | undefined>;

export interface Place {
  tab: Tab;
  query: URLSearchParams;
}

export const place = signal(read());

function read(): Place {
  const [name = '', query = ''] = location.hash.slice(1).split(/\?(.*)/s);
  return { tab: tabs.find((tab) => tab === name) ?? 'log', query: new URLSearchParams(query) };
}

export function href(tab: Tab, query: Query | URLSearchParams = {}): string {
  const text = (query instanceof URLSearchParams ? query : toParams(query)).toString();
  return `#${tab}${text && '?'}${text}`;
}

function toParams(query: Query): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== '') params.append(name, String(one));
  }
  return params;
}

export function go(tab: Tab, query: Query | URLSearchParams = {}, how: 'push' | 'replace' = 'push'): void {
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', href(tab, query));
  place.value = read();
}

/** Changes some fields of the query and keeps the rest. */
export function amend(fields: Query, how: 'push' | 'replace' = 'push'): void {
  go(place.value.tab, amended(fields), how);
}

/** The query with some fields changed; '' and undefined take a field away. */
export function amended(fields: Query): URLSearchParams {
  const query = new URLSearchParams(place.value.query);
  for (const name of Object.keys(fields)) query.delete(name);
  for (const [name, value] of toParams(fields)) query.append(name, value);
  return query;
}

addEventListener('popstate', () => (place.value = read())); // a link within the page, back, forward
