import {
  answered, answers, check, equal, eventually, look, message, open, questions, quiet, say, sendButton, stopButton, task, taskPane, test,
} from './browser.mjs';
import { startMock } from './mock.mjs';

const isTurn = (_, body) => body?.type === 'threads.create' || body?.type === 'threads.add_user_message' || body?.type === 'threads.retry_after_item';
const text = 'One two three four five six seven eight nine ten eleven twelve.';

async function begin(after, options) {
  const mock = await startMock({ delay: 20, ...options });
  after(mock.close);
  const page = await open();
  return { mock, page };
}

export async function failures() {
  await test('a failed turn says what happened and offers Retry', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.scripts.push({ error: 'The model did not answer in time.' }, { text });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByRole('alert').getByText('The model did not answer in time.').waitFor();
    await look(page, 'failed');
    await page.getByRole('button', { name: 'Retry' }).click();
    await answered(page);
    equal(await answers(page).locator('.md').innerText(), text, 'the answer');
    equal(await questions(page).count(), 1, 'questions');
    quiet(page);
  });

  await test('a turn that fails in the middle leaves no half answer behind', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.scripts.push({ text, error: 'The model broke off.' });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('The model broke off.').waitFor();
    equal(await answers(page).count(), 0, 'answers: the server kept none');
    quiet(page);
  });

  await test('a lost connection is told, and the answer goes on where it was', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 60 });
    mock.scripts.push({ text, cutAfter: 9 });
    const notYet = { match: (req) => req.url.endsWith('/stream'), drop: true };
    mock.refusals.push({ ...notYet }, { ...notYet });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('Connection lost.').waitFor();
    await page.getByText('Connected again.').waitFor();
    await answered(page);
    equal(await answers(page).locator('.md').innerText(), text, 'the answer');
    const resumed = mock.requests.find((r) => r.path.endsWith('/stream') && r.headers['last-event-id']);
    check(/^turn_.+:[89]$/.test(resumed?.headers['last-event-id']), `Last-Event-ID: ${resumed?.headers['last-event-id']}`);
    quiet(page);
  });

  await test('a crash in mid-answer: interrupted, Retry answers, nothing is doubled', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.scripts.push({ text, cutAfter: 9, die: true }, { text });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('This answer was interrupted.').waitFor();
    await look(page, 'interrupted');
    await page.reload();
    await page.getByText('This answer was interrupted.').waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await answered(page);
    equal(await answers(page).locator('.md').innerText(), text, 'the answer');
    equal(await questions(page).count(), 1, 'questions');
    quiet(page);
  });

  await test('the server goes away and comes back: lists follow again', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.putTask('alice', { title: 'before' });
    await page.goto(mock.url);
    await task(page, 'before').waitFor();
    const { port } = mock;
    await mock.down();
    await page.getByText('Connection lost.').waitFor();
    await look(page, 'lost');
    await say(page, 'are you there?');
    await page.getByText('may not have been sent').waitFor();
    await look(page, 'not-sent');
    mock.putTask('alice', { title: 'meanwhile' });
    await mock.start(port);
    await task(page, 'meanwhile').waitFor({ timeout: 20_000 });
    await page.getByText('Connected again.').waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await answered(page);
    equal(await questions(page).count(), 1, 'questions');
    quiet(page);
  });

  await test('401 in development: a new token, without a word', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(mock.url);
    await page.getByText('No tasks yet').waitFor();
    mock.refusals.push({ match: isTurn, status: 401, code: 'unauthorized', message: 'expired' });
    await say(page, 'hello');
    await answered(page);
    equal(await questions(page).count(), 1, 'questions');
    quiet(page);
  });

  await test('401 in production: asks for a token and goes on', async ({ after }) => {
    const { mock, page } = await begin(after, { development: false });
    const token = (sub, n) => `a.${Buffer.from(JSON.stringify({ sub, n })).toString('base64url')}.sig`;
    mock.putTask('carol', { title: 'hers' });
    await page.goto(mock.url);
    const dialog = page.getByRole('dialog', { name: 'Sign in' });
    await dialog.waitFor();
    await look(page, 'sign-in');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.waitForTimeout(300);
    check(await dialog.isVisible(), 'there is no way round it');
    await dialog.getByLabel('Access token').fill(`Bearer ${token('carol', 1)}`);
    await dialog.getByLabel('Access token').press('Enter');
    await task(page, 'hers').waitFor();
    await page.getByText('carol').waitFor();
    const kept = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie]));
    check(!kept.includes(token('carol', 1)), `the token is in memory only: ${kept}`);

    mock.validTokens = new Set([token('carol', 2)]);
    await say(page, 'hello');
    await page.getByText('Your token is no longer valid').waitFor();
    await look(page, 'token-refused');
    await page.getByLabel('Access token').fill(token('carol', 2));
    await page.getByRole('button', { name: 'Go on' }).click();
    await answered(page);
    equal(await questions(page).count(), 1, 'the message went out once');

    mock.validTokens = undefined;
    mock.refusals.push({ match: isTurn, status: 401, code: 'unauthorized', message: 'expired' });
    await say(page, 'again');
    await page.getByLabel('Access token').fill(token('dave', 1));
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('dave').waitFor();
    await page.getByText('No tasks yet').waitFor();
    equal(await task(page, 'hers').count(), 0, 'what was another person’s is gone');
    quiet(page);
  });

  await test('409: waits for the answer that is being written, then sends', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 60 });
    mock.scripts.push({ text }, { text: 'Second.' });
    await page.goto(mock.url);
    await say(page, 'add first');
    await stopButton(page).waitFor();
    await eventually(() => /\/t\/thr_/.test(page.url()), 'the thread is known');
    await answered(page);
    // Another window has begun a turn that this one does not know of.
    const thread = [...mock.user('alice').threads.values()][0];
    mock.scripts.unshift({ text: 'Of the other window. ' + text });
    await fetch(`${mock.url}/api/v1/chatkit`, {
      method: 'POST',
      headers: { Authorization: 'Bearer test-token-alice' },
      body: JSON.stringify({ type: 'threads.add_user_message', params: { thread_id: thread.id, input: { content: [{ type: 'input_text', text: 'elsewhere' }], attachments: [], inference_options: {} } } }),
    }).then((res) => void res.body.cancel());
    await say(page, 'second');
    await page.getByText('Still answering the message before.').waitFor();
    await look(page, 'busy');
    await answers(page).getByText('Second.').waitFor();
    equal(await questions(page).locator('.bubble').allInnerTexts(), ['add first', 'elsewhere', 'second'], 'questions');
    quiet(page);
  });

  await test('429: waits as told, counts down, sends', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.refusals.push({ match: isTurn, status: 429, code: 'rate_limited', message: 'too many', retryAfter: 3 });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('Sent again in 3 s.').waitFor();
    await look(page, 'rate-limited');
    await page.getByText('Sent again in 1 s.').waitFor();
    equal(mock.requests.filter((r) => isTurn(r, r.body)).length, 1, 'requests before the time has come');
    await answered(page);
    equal(await questions(page).count(), 1, 'questions');
    quiet(page);
  });

  await test('503: Edit takes the message back, Retry now does not wait', async ({ after }) => {
    const { mock, page } = await begin(after);
    const refusal = { match: isTurn, status: 503, code: 'unavailable', message: 'draining', retryAfter: 60 };
    mock.refusals.push({ ...refusal }, { ...refusal });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('The server is busy.').waitFor();
    await page.getByRole('button', { name: 'Edit' }).click();
    equal(await message(page).inputValue(), 'hello', 'the text is back');
    await message(page).press('Enter');
    await page.getByRole('button', { name: 'Retry now' }).click();
    await answered(page);
    quiet(page);
  });

  await test('504: a message that may have been taken is not sent again by itself', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.refusals.push({ match: isTurn, status: 504, code: 'timeout', message: 'the store did not answer in time', retryAfter: 1 });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('No answer came in time, so this may not have been sent.').waitFor();
    await page.waitForTimeout(1500); // longer than what it was told to wait
    equal(await answers(page).count(), 0, 'answers');
    await page.getByRole('button', { name: 'Retry' }).click();
    await answered(page);
    equal(await questions(page).count(), 1, 'questions');
    quiet(page);
  });

  await test('a refused change of a task goes back with a message', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.putTask('alice', { title: 'buy milk' });
    await page.goto(mock.url);
    await task(page, 'buy milk').waitFor();
    let go;
    mock.refusals.push({ match: (req) => req.method === 'PATCH', status: 409, code: 'conflict', message: 'It was changed elsewhere.', wait: new Promise((r) => (go = r)) });
    await task(page, 'buy milk').getByRole('checkbox').click();
    await taskPane(page).getByRole('button', { name: /Done 1/ }).waitFor();
    go();
    await page.getByText('“buy milk” was not changed. It was changed elsewhere.').waitFor();
    await task(page, 'buy milk').waitFor();
    await look(page, 'task-refused');
    mock.refusals.push({ match: (req) => req.method === 'POST' && req.url === '/api/v1/tasks', status: 503, code: 'unavailable', message: 'busy', retryAfter: 2 });
    await page.getByRole('textbox', { name: 'Add a task' }).fill('second');
    await page.getByRole('textbox', { name: 'Add a task' }).press('Enter');
    await page.getByText('Trying again in 2 s.').waitFor();
    await eventually(() => [...mock.user('alice').tasks.values()].some((t) => t.title === 'second'), 'it is added in the end');
    const keys = mock.requests.filter((r) => r.method === 'POST' && r.path === '/api/v1/tasks').map((r) => r.headers['idempotency-key']);
    equal([keys.length, new Set(keys).size], [2, 1], 'one idempotency key');
    equal(await task(page, 'second').count(), 1, 'shown once');
    quiet(page);
  });

  await test('what cannot be loaded says so and can be asked for again', async ({ after }) => {
    const { mock, page } = await begin(after);
    const thread = mock.addThread('alice', 'Groceries', [{ type: 'user_message', content: [{ type: 'input_text', text: 'hi' }] }]);
    const broken = { status: 500, code: 'internal', message: 'internal error' };
    mock.refusals.push({ match: (_, body) => body?.type === 'items.list', ...broken }, { match: (_, body) => body?.type === 'threads.list', ...broken });
    await page.goto(`${mock.url}/t/${thread.id}`);
    await page.getByText('The messages could not be loaded. internal error').waitFor();
    await look(page, 'load-failed');
    await page.getByRole('region', { name: 'Conversation' }).getByRole('button', { name: 'Retry' }).click();
    await questions(page).getByText('hi').waitFor();
    await page.getByRole('navigation', { name: 'Chats' }).getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('link', { name: 'Groceries' }).waitFor();
    await page.goto(`${mock.url}/t/thr_foreign`);
    await page.getByText('There is no such chat').waitFor();
    await look(page, 'missing');
    check(await sendButton(page).getAttribute('aria-disabled'), 'nothing can be sent there');
    quiet(page);
  });
}
