// An operator at a real server: which message completed the milk, what the list
// was before, and a rebuild while one looks.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, equal, eventually, look, open, quiet, test } from './browser.mjs';
import { start } from './person.mjs';

const json = { 'Content-Type': 'application/json' };

async function tokenOf(url, user) {
  const res = await fetch(`${url}/auth/dev-token`, { method: 'POST', headers: json, body: JSON.stringify({ user }) });
  return (await res.json()).token;
}

// say writes a message as a user and waits for the answer; it returns the thread.
async function say(url, token, text, thread) {
  const input = { content: [{ type: 'input_text', text }], attachments: [], inference_options: {} };
  const body = thread ? { type: 'threads.add_user_message', params: { thread_id: thread, input } } : { type: 'threads.create', params: { input } };
  const res = await fetch(`${url}/api/v1/chatkit`, { method: 'POST', headers: { ...json, Authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
  const answer = await res.text(); // whole when the turn has ended
  return thread ?? /thr_\w+/.exec(answer)[0];
}

export async function operator(given, bin) {
  const data = bin ? await mkdtemp(join(tmpdir(), 'chatkitd-e2e-')) : undefined;
  const server = bin ? await start(bin, data, 19_000 + (process.pid % 1000)) : undefined;
  const url = server?.url ?? given;
  const alice = `alice-${Date.now().toString(36)}`;
  try {
    const token = await tokenOf(url, alice);
    const thread = await say(url, token, 'add buy milk tomorrow, and call Anna');
    await say(url, token, 'what is left?', thread);
    await say(url, token, 'done with the milk', thread);

    await test('real: an operator finds the message that completed the milk', async () => {
      const page = await open();
      await page.goto(`${url}/admin`);
      await page.getByRole('row').nth(5).waitFor();
      await look(page, 'real-admin-log');
      const field = page.getByRole('combobox', { name: 'Filter, or find an id' });
      for (const text of [`user:${alice}`, 'task.completed']) {
        await field.fill(text);
        await field.press('Enter');
      }
      await eventually(async () => (await page.locator('.rows-all .row').count()) === 1, 'one event');
      await page.locator('.rows-all .row').click();
      await page.getByRole('complementary').getByText('"task_id"').waitFor();
      await look(page, 'real-admin-event');
      await page.getByRole('link', { name: 'What caused this?' }).click();
      await page.getByRole('treeitem', { name: 'Message done with the milk' }).waitFor();
      equal(await page.locator('.node[data-lit=true]').count(), 6, 'steps from the request to the event');
      await look(page, 'real-admin-causes');
      quiet(page);
    });

    await test('real: an operator slides through a list and a thread', async () => {
      const page = await open();
      await page.goto(`${url}/admin#stream`);
      await page.getByRole('textbox', { name: 'User, thread or stream' }).fill(alice);
      await page.keyboard.press('Enter');
      const state = page.getByRole('region', { name: 'State', exact: true });
      await state.getByRole('img', { name: 'Done' }).waitFor();
      await page.getByRole('link', { name: '“done with the milk”' }).waitFor();
      await look(page, 'real-admin-stream');
      await page.getByRole('heading', { name: /^Tasks/ }).click();
      await page.keyboard.press('ArrowLeft');
      await state.getByRole('img', { name: 'Done' }).waitFor({ state: 'detached' });
      await page.keyboard.press('ArrowLeft');
      equal(await state.getByRole('listitem').count(), 1, 'tasks after the first step');
      await page.goto(`${url}/admin#stream?stream=thread-${thread}`);
      await state.getByText('done with the milk').first().waitFor();
      equal(await page.locator('.problem').count(), 0, 'doubts about the state');
      await look(page, 'real-admin-thread');
      quiet(page);
    });

    await test('real: an operator watches a rebuild and rolls it back', async () => {
      const page = await open();
      await page.goto(`${url}/admin#projections`);
      const card = page.getByRole('article', { name: 'tasks', exact: true });
      await card.getByText('running').waitFor();
      await card.getByRole('button', { name: 'Rebuild: tasks' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Rebuild' }).click();
      await card.getByText('Last rebuild').waitFor({ timeout: 30_000 });
      await eventually(async () => (await card.innerText()).includes('Done'), 'it ends well');
      if (!(await card.locator('details').evaluate((el) => el.open))) await card.getByText('Last rebuild').click();
      await card.getByText(/New and old are equal/).waitFor();
      await look(page, 'real-admin-rebuilt');
      await card.getByRole('button', { name: 'Roll back: tasks' }).click();
      await page.getByRole('dialog').getByText('serve again').waitFor();
      await look(page, 'real-admin-rollback');
      await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
      await page.getByText('Roll back: done for tasks.').waitFor();
      quiet(page);
    });

    await test('real: health has figures, and a user is no operator', async () => {
      const page = await open();
      await page.goto(`${url}/admin#health`);
      await page.getByRole('img', { name: /^Live actors: now [1-9]/ }).waitFor();
      await page.getByRole('img', { name: /^Open streams: now \d/ }).waitFor();
      await page.getByRole('img', { name: /^Appends: now [\d.]+\/s/ }).waitFor();
      await look(page, 'real-admin-health');
      const res = await fetch(`${url}/api/v1/admin/events`, { headers: { Authorization: `Bearer ${token}` } });
      equal(res.status, 403, 'status for a user');
      check((await res.text()).includes('role admin'), 'it says which role is missing');
      quiet(page);
    });
  } finally {
    await server?.kill();
    if (data) await rm(data, { recursive: true, force: true });
  }
}
