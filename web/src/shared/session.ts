// Who the person is. A token is held in memory; in development, where the
// server hands tokens out by name, it and the name are kept in sessionStorage,
// so that two windows can be two people and a reload stays the same one.
import { signal } from '@preact/signals';
import { Backoff, pause } from './backoff';
import { reportLost, reportReached } from './connection';

/** The person's name, as far as the page knows it. */
export const user = signal('');
/** The server gives out tokens by name. */
export const development = signal(false);
/** Why a token has to be asked for; '' when it has not. */
export const tokenWanted = signal<'' | 'missing' | 'refused'>('');

/**
 * Who the page is in development when nobody has said, with which roles, and
 * where it keeps that. A page that is somebody else changes this before its
 * first request.
 */
export const persona = { user: 'alice', roles: [] as string[], storage: 'chatkitd.session', home: '/' };

let current: string | undefined;
let pending: Promise<string> | undefined;
let accept: ((token: string) => void) | undefined;
const switched: (() => void)[] = [];

/** Calls fn when another person has taken over without a reload. */
export function onSwitch(fn: () => void): void {
  switched.push(fn);
}

/** Returns the token, or waits until there is one. */
export function token(): Promise<string> {
  return current !== undefined ? Promise.resolve(current) : obtain('missing');
}

/** Returns another token than one that was refused. */
export function renew(refused: string): Promise<string> {
  if (current !== undefined && current !== refused) return Promise.resolve(current);
  current = undefined;
  sessionStorage.removeItem(persona.storage);
  return obtain('refused');
}

function obtain(why: 'missing' | 'refused'): Promise<string> {
  pending ??= (async () => {
    try {
      current = (why === 'missing' && stored()) || (await fetchToken()) || (await ask(why));
      return current;
    } finally {
      pending = undefined;
    }
  })();
  return pending;
}

function stored(): string | undefined {
  try {
    const kept = JSON.parse(sessionStorage.getItem(persona.storage) ?? 'null') as { token: string; user: string; until: number } | null;
    if (!kept) return undefined;
    user.value = kept.user;
    development.value = true;
    return kept.until > Date.now() + 5000 ? kept.token : undefined;
  } catch {
    return undefined;
  }
}

// fetchToken asks the server for a token in the person's name. It returns
// undefined where the server does not do that, which is everywhere but in
// development, and keeps trying while the server cannot be reached.
async function fetchToken(): Promise<string | undefined> {
  const name = user.value || sessionStorage.getItem(persona.storage + '.user') || persona.user;
  const backoff = new Backoff();
  for (;;) {
    try {
      const res = await fetch('/auth/dev-token', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ user: name, ...(persona.roles.length > 0 && { roles: persona.roles }) }),
      });
      if (res.ok) {
        const got = (await res.json()) as { token: string; user: string; expires_at: string };
        const until = Date.parse(got.expires_at);
        user.value = got.user;
        development.value = true;
        sessionStorage.setItem(persona.storage, JSON.stringify({ token: got.token, user: got.user, until }));
        reportReached('session');
        return got.token;
      }
      if (res.status < 500 && res.status !== 429) {
        reportReached('session');
        development.value = false;
        return undefined;
      }
    } catch {
      // Not reached: as below.
    }
    const wait = backoff.next();
    reportLost('session', Date.now() + wait);
    await pause(wait);
  }
}

function ask(why: 'missing' | 'refused'): Promise<string> {
  tokenWanted.value = why;
  return new Promise((resolve) => (accept = resolve));
}

/** Gives the page the token that it asked for. */
export function giveToken(given: string): void {
  const before = user.value;
  user.value = subject(given);
  tokenWanted.value = '';
  if (before !== '' && before !== user.value) for (const fn of switched) fn();
  accept?.(given);
}

/** Becomes somebody else (in development). Everything of the person before goes with the page. */
export function switchUser(name: string): void {
  sessionStorage.removeItem(persona.storage);
  sessionStorage.setItem(persona.storage + '.user', name);
  location.assign(persona.home);
}

/** Asks for another token than the one in use, which is good and not enough. */
export async function changeToken(): Promise<void> {
  current = undefined;
  sessionStorage.removeItem(persona.storage);
  pending ??= ask('missing').finally(() => (pending = undefined));
  current = await pending;
}

// subject reads the name out of a token, for display only: the server alone
// says who a token belongs to.
function subject(jwt: string): string {
  try {
    const part = jwt.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(part), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { user_id?: string; sub?: string };
    return claims.user_id ?? claims.sub ?? 'you';
  } catch {
    return 'you';
  }
}
