// A browser, steps with names, and what every test looks at: axe, the console,
// pictures.
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const axeSource = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
const pictures = process.env.SCREENSHOTS; // a folder; none are taken without it
if (pictures) await mkdir(pictures, { recursive: true });

export const results = { passed: 0, failed: 0 };
const only = process.env.ONLY; // part of the names of the tests to run

let browser;
export async function launch() {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
export const quit = () => browser?.close();

/** Opens a window of its own: nothing is shared with another but the server. */
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.complaints = [];
  page.on('pageerror', (err) => page.complaints.push(`exception: ${err.stack}`));
  page.on('console', (message) => {
    // The browser reports each refused or broken request by itself: those are the point of some tests.
    if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(message.text())) page.complaints.push(message.text());
  });
  return page;
}

/** Runs one test and counts it. */
export async function test(name, fn) {
  if (only && !name.includes(only)) return;
  const begin = performance.now();
  const cleanups = [];
  try {
    await fn({ after: (cleanup) => cleanups.push(cleanup) });
    results.passed++;
    console.log(`ok   ${name} (${Math.round(performance.now() - begin)} ms)`);
  } catch (err) {
    results.failed++;
    console.log(`FAIL ${name}\n     ${String(err.stack ?? err).replaceAll('\n', '\n     ')}`);
    for (const context of browser.contexts()) {
      for (const page of context.pages()) await picture(page, `failed-${name.replaceAll(/\W+/g, '-')}`).catch(() => undefined);
    }
  } finally {
    for (const context of browser.contexts()) await context.close();
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

export function check(ok, message) {
  if (!ok) throw new Error(message);
}

export function equal(got, want, what) {
  const [g, w] = [JSON.stringify(got), JSON.stringify(want)];
  check(g === w, `${what}: got ${g}, want ${w}`);
}

/** Waits until fn gives something true, and returns it. */
export async function eventually(fn, what, timeout = 8000) {
  const until = Date.now() + timeout;
  for (;;) {
    const value = await fn();
    if (value) return value;
    if (Date.now() > until) throw new Error(`not within ${timeout} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Fails on any violation of WCAG 2.1 A and AA or of axe's best practices. */
export async function axe(page, where) {
  await still(page);
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
    const { violations } = await globalThis.axe.run(document, { runOnly: { type: 'tag', values: tags } });
    return violations.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.map((n) => `${n.html.slice(0, 160)} — ${n.failureSummary?.split('\n').slice(1).join(';')}`).join('\n  ')}`);
  });
  check(found.length === 0, `axe, ${where}:\n${found.join('\n')}`);
}

// still waits until everything that moves for a moment has arrived.
function still(page) {
  return page.waitForFunction(() => document.getAnimations().every((a) => a.effect?.getTiming().iterations === Infinity || a.playState !== 'running'));
}

/** Takes a picture and runs axe, in light and in dark. */
export async function look(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await still(page);
    await picture(page, `${name}-${colorScheme}`);
    await axe(page, `${name}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

export async function picture(page, name) {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** Nothing was thrown, logged as an error or blocked by the Content-Security-Policy. */
export function quiet(page) {
  check(page.complaints.length === 0, `the page complained:\n${page.complaints.join('\n')}`);
}

// What a person finds on the page.
export const message = (page) => page.getByRole('textbox', { name: 'Message' });
export const answers = (page) => page.getByRole('article', { name: 'Answer' });
export const questions = (page) => page.getByRole('article', { name: 'You', exact: true });
export const sendButton = (page) => page.getByRole('button', { name: 'Send' });
export const stopButton = (page) => page.getByRole('button', { name: 'Stop', exact: true });
export const taskPane = (page) => page.getByRole('region', { name: 'Tasks', exact: true });
export const task = (page, title) => taskPane(page).getByRole('listitem').filter({ has: page.getByRole('button', { name: title, exact: true }) });
export const chats = (page) => page.getByRole('navigation', { name: 'Chats' });

export async function say(page, text) {
  await message(page).fill(text);
  await message(page).press('Enter');
}

/** Waits until the answer is whole. */
export async function answered(page) {
  await sendButton(page).waitFor();
  await eventually(async () => (await page.locator('#announcer').textContent()) !== '', 'the answer is announced');
}
