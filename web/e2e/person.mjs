// A person at a real server: what the page is for, and what must survive.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answered, answers, check, equal, eventually, look, message, open, questions, quiet, say, stopButton, task, taskPane, test } from './browser.mjs';

// start runs a server of our own on a data folder, until it is healthy.
export async function start(bin, data, port) {
  const child = spawn(bin, ['serve'], {
    env: { PATH: process.env.PATH, HOME: data, CHATKITD_DATA: data, CHATKITD_LISTEN: `127.0.0.1:${port}`, CHATKITD_AGENT: 'offline', CHATKITD_OFFLINE_DELAY: '60ms', ENVIRONMENT: 'development' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (piece) => (log = (log + piece).slice(-20_000)));
  const gone = new Promise((resolve) => child.on('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    async () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${log}`);
      return fetch(`${url}/health/ready`).then((res) => res.ok, () => false);
    },
    'the server is ready',
    20_000,
  );
  return { url, kill: () => (child.kill('SIGKILL'), gone), log: () => log };
}

export async function person(given, bin) {
  const data = bin ? await mkdtemp(join(tmpdir(), 'chatkitd-e2e-')) : undefined;
  const port = 18_000 + (process.pid % 1000);
  let server = bin ? await start(bin, data, port) : undefined;
  const url = server?.url ?? given;
  const name = (who) => `${who}-${Date.now().toString(36)}`;
  const alice = name('alice');
  const as = async (who) => {
    const page = await open();
    await page.addInitScript((n) => sessionStorage.setItem('chatkitd.session.user', n), who);
    return page;
  };

  try {
    await test('real: two tasks from one sentence, what is left, done with the milk', async () => {
      const page = await as(alice);
      await page.goto(url);
      await page.getByText('No tasks yet').waitFor();
      await look(page, 'real-empty');
      await say(page, 'add buy milk tomorrow, and call Anna');
      await stopButton(page).waitFor();
      await task(page, 'buy milk').waitFor();
      await task(page, 'call Anna').waitFor();
      await answered(page);
      check(await taskPane(page).getByRole('region', { name: /^Tomorrow/ }).getByText('buy milk').isVisible(), 'buy milk is due tomorrow');
      await look(page, 'real-added');
      await say(page, 'what is left?');
      await eventually(async () => (await answers(page).count()) >= 2, 'a second answer');
      await answered(page);
      const left = await answers(page).last().innerText();
      check(/milk/i.test(left) && /anna/i.test(left), `what is left: ${left}`);
      await say(page, 'done with the milk');
      await taskPane(page).getByRole('button', { name: /Done 1/ }).waitFor();
      await page.locator('.waiting').waitFor({ state: 'detached' });
      await stopButton(page).waitFor({ state: 'detached' });
      await look(page, 'real-done');
      await page.close({ runBeforeUnload: false });
      const again = await as(alice);
      await again.goto(url);
      await task(again, 'call Anna').waitFor();
      await again.getByRole('navigation', { name: 'Chats' }).getByRole('link').first().click();
      await eventually(async () => (await questions(again).count()) === 3 && (await answers(again).count()) === 3, 'the chat as it was');
      quiet(page);
      quiet(again);
    });

    await test('real: another user sees nothing', async () => {
      const page = await as(alice);
      await page.goto(url);
      await task(page, 'call Anna').waitFor();
      await page.getByRole('navigation', { name: 'Chats' }).getByRole('link').first().click();
      await questions(page).first().waitFor();
      const bob = await as(name('bob'));
      await bob.goto(page.url());
      await bob.getByText('There is no such chat').waitFor();
      await bob.getByText('No tasks yet').waitFor();
      await bob.getByText('No chats yet').waitFor();
      quiet(bob);
    });

    await test('real: tasks by hand, followed by another window', async () => {
      const page = await as(alice);
      const other = await as(alice);
      await page.goto(url);
      await other.goto(url);
      await task(other, 'call Anna').waitFor();
      await page.getByRole('textbox', { name: 'Add a task' }).fill('water the plants');
      await page.getByRole('textbox', { name: 'Add a task' }).press('Enter');
      await task(other, 'water the plants').waitFor();
      await task(other, 'water the plants').getByRole('button', { name: 'Details of water the plants' }).click();
      const drawer = other.getByRole('dialog');
      await drawer.getByLabel('Description').fill('Not too much.');
      await drawer.getByLabel('Tags').fill('home');
      await drawer.getByText('High').click();
      await drawer.getByLabel('Due').fill('2030-05-06');
      await drawer.getByLabel('Due').blur();
      await task(page, 'water the plants').getByText('#home').waitFor();
      await task(page, 'water the plants').getByText('2030').waitFor();
      await drawer.getByLabel('Due').fill('');
      await drawer.getByLabel('Due').blur();
      await drawer.getByText('None').click();
      await taskPane(page).getByRole('region', { name: /^No date/ }).getByText('water the plants').waitFor();
      await drawer.getByRole('button', { name: 'Close' }).click();
      await task(page, 'water the plants').getByRole('button', { name: 'water the plants', exact: true }).press('Delete');
      await task(other, 'water the plants').waitFor({ state: 'detached', timeout: 12_000 });
      quiet(page);
      quiet(other);
    });

    await test('real: a reload in mid-answer goes on with the same answer', async () => {
      const page = await as(alice);
      await page.goto(url);
      await message(page).waitFor();
      await say(page, many('reload'));
      await eventually(() => /\/t\/thr_/.test(page.url()), 'the thread is known');
      await page.reload();
      if (bin) await stopButton(page).waitFor(); // ours writes slowly enough to be seen
      await eventually(async () => (await task(page, 'reload 6').count()) === 1, 'all tasks', 20_000);
      await stopButton(page).waitFor({ state: 'detached' });
      await eventually(async () => (await answers(page).count()) === 1, 'one answer');
      equal(await questions(page).count(), 1, 'questions');
      for (let i = 1; i <= 6; i++) await once(page, `reload ${i}`);
      quiet(page);
    });

    await test('real: Stop', async () => {
      const page = await as(alice);
      await page.goto(url);
      await message(page).waitFor();
      await say(page, 'what is left?');
      await stopButton(page).click();
      await message(page).waitFor();
      await stopButton(page).waitFor({ state: 'detached' });
      await say(page, 'what is left?');
      await eventually(async () => (await answers(page).last().innerText().catch(() => '')).includes('Anna'), 'the chat is usable');
      quiet(page);
    });

    if (bin) {
      await test('real: an answer that was stopped half-way says so, also after a reload', async () => {
        const page = await as(alice);
        await page.goto(url);
        await message(page).waitFor();
        await say(page, 'what is left?');
        await answers(page).locator('.md').filter({ hasText: /\w+ \w+/ }).waitFor();
        await stopButton(page).click();
        await page.getByText('You stopped this answer.').waitFor();
        const said = await answers(page).innerText();
        await page.reload();
        await page.getByText('You stopped this answer.').waitFor();
        equal(await answers(page).innerText(), said, 'what was said');
        await say(page, 'what is left?');
        await eventually(async () => (await answers(page).count()) === 2, 'another answer');
        await stopButton(page).waitFor({ state: 'detached' });
        equal(await page.getByText('You stopped this answer.').count(), 1, 'marks');
        quiet(page);
      });

      await test('real: kill -9 in mid-answer, restart: nothing lost, doubled or stuck', async () => {
        const page = await as(alice);
        await page.goto(url);
        await task(page, 'call Anna').waitFor();
        await say(page, many('crash'));
        await eventually(() => /\/t\/thr_/.test(page.url()), 'the thread is known');
        await stopButton(page).waitFor();
        await server.kill();
        await page.getByText('Connection lost.').waitFor();
        await look(page, 'real-lost');
        server = await start(bin, data, port);
        await page.getByText('This answer was interrupted.').waitFor({ timeout: 30_000 });
        await look(page, 'real-interrupted');
        await page.getByRole('button', { name: 'Retry' }).click();
        await eventually(async () => (await answers(page).count()) === 1, 'an answer', 20_000);
        await stopButton(page).waitFor({ state: 'detached' });
        equal(await questions(page).count(), 1, 'questions');
        await task(page, 'call Anna').waitFor();
        for (let i = 1; i <= 6; i++) await once(page, `crash ${i}`);
        await page.reload();
        await eventually(async () => (await answers(page).count()) === 1 && (await questions(page).count()) === 1, 'the same after a reload');
        quiet(page);
      });
    }
  } finally {
    await server?.kill();
    if (data) await rm(data, { recursive: true, force: true });
  }
}

// once waits for a task and makes sure that there is one of it.
async function once(page, title) {
  await task(page, title).first().waitFor();
  equal(await task(page, title).count(), 1, `tasks named ${title}`);
}

const many = (word) => `add ${Array.from({ length: 6 }, (_, i) => `${word} ${i + 1}`).join(', ')}`;
