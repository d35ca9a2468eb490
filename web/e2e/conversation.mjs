import {
  answered, answers, axe, check, equal, eventually, look, message, open, picture, questions, quiet, say, sendButton, stopButton, task, test,
} from './browser.mjs';
import { startMock } from './mock.mjs';

const long = Array.from({ length: 60 }, (_, i) => `Paragraph ${i + 1} of a long answer that goes on.`).join('\n\n');
const rich = `## A plan

Here is **what matters**, in *short*: see [the handbook](https://example.org/handbook) or \`make run\`.

1. Buy milk
   - whole
   - fresh
2. Call Anna

| Task | Due |
|---|--:|
| buy milk | Tue |
| call Anna | Fri |

\`\`\`sh
go run ./cmd/chatkitd serve
\`\`\`

> Done is better than perfect.

<img src=x onerror="document.title='owned'"> [bad](javascript:document.title='owned')`;

async function begin(after, options) {
  const mock = await startMock(options);
  after(mock.close);
  const page = await open();
  return { mock, page };
}

export async function conversation() {
  await test('first visit: says what to do, paints early, asks nobody else', async ({ after }) => {
    const { mock, page } = await begin(after);
    const elsewhere = [];
    page.on('request', (req) => !req.url().startsWith(mock.url) && elsewhere.push(req.url()));
    await page.goto(`${mock.url}/favicon.svg`); // the browser's own start is not ours
    await page.goto(mock.url);
    await page.getByRole('heading', { name: 'What is on your mind?' }).waitFor();
    const paint = await eventually(() => page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime), 'first paint');
    console.log(`     first contentful paint after ${Math.round(paint)} ms`);
    check(paint < 600, `first paint after ${paint} ms`);
    equal(elsewhere, [], 'requests elsewhere');
    equal(await page.evaluate(() => document.activeElement.id), 'message', 'focus');
    await look(page, 'empty');
    quiet(page);
  });

  await test('an answer streams, its tools are told in words, two tasks appear', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 40 });
    let go;
    mock.halt = { word: 4, until: new Promise((resolve) => (go = resolve)) };
    await page.goto(mock.url);
    await say(page, 'add buy milk tomorrow, and call Anna');
    await page.getByText('add buy milk tomorrow, and call Anna').first().waitFor();
    equal(await message(page).inputValue(), '', 'the composer');
    await stopButton(page).waitFor();
    await answers(page).getByText('Done. I added buy').waitFor();
    equal(await answers(page).locator('strong').innerText(), 'buy', 'what is set before its end has come');
    check(await stopButton(page).isVisible(), 'Send is Stop while it streams');
    await look(page, 'streaming');
    equal(await page.locator('#announcer').textContent(), '', 'nothing is announced word by word');
    go();
    await answered(page);
    equal(await page.locator('#announcer').textContent(), 'Done. I added **buy milk** and **call Anna** to your tasks.', 'announced');
    check(/\/t\/thr_/.test(page.url()), `the address holds the thread: ${page.url()}`);
    await page.getByText('Added “buy milk” · Added “call Anna”').click();
    await page.getByText('{"title":"buy milk"}').waitFor();
    await task(page, 'buy milk').waitFor();
    await task(page, 'call Anna').waitFor();
    equal(await page.evaluate(() => document.activeElement.tagName), 'SUMMARY', 'focus');
    await look(page, 'tools');
    quiet(page);
  });

  await test('reasoning is folded, progress and notices are shown', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 30 });
    mock.scripts.push({
      progress: 'Looking at your calendar…',
      reasoning: [{ title: 'Weighing', content: 'Milk goes bad. So soon.' }],
      notice: { level: 'warning', title: 'Slow', message: 'The model is **slow** today.' },
      text: 'Tomorrow it is.',
      sources: [{ type: 'url', title: 'Milk', url: 'https://example.org/milk' }],
    });
    await page.goto(mock.url);
    await say(page, 'when?');
    await page.getByText('Looking at your calendar…').waitFor();
    await page.getByText('Thinking…').first().waitFor();
    await answered(page);
    await page.getByText('Thought for 2 s').click();
    await page.getByText('Milk goes bad. So soon.').waitFor();
    await page.getByText('The model is slow today.').waitFor();
    await page.getByRole('list', { name: 'Sources' }).getByText('(example.org)').waitFor();
    await look(page, 'reasoning');
    quiet(page);
  });

  await test('Markdown is set, and nothing in it runs', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 2 });
    mock.scripts.push({ text: rich });
    await page.goto(mock.url);
    await say(page, 'plan');
    await answered(page);
    const link = answers(page).getByRole('link', { name: 'the handbook' });
    equal(await link.getAttribute('rel'), 'noopener noreferrer nofollow', 'rel');
    await answers(page).getByText('(example.org)').waitFor();
    equal(await answers(page).locator('img, script, a[href^="javascript"]').count(), 0, 'elements of the text');
    await answers(page).getByText('<img src=x').waitFor();
    check(!(await page.title()).includes('owned'), 'nothing ran');
    await look(page, 'markdown');
    quiet(page);
  });

  await test('the view sticks to the end, unless the person scrolls up', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 8 });
    mock.scripts.push({ text: long });
    await page.goto(mock.url);
    await say(page, 'tell me');
    const box = page.getByRole('region', { name: 'Messages' });
    const left = () => box.evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight);
    await answers(page).getByText('Paragraph 20 of').waitFor();
    await eventually(async () => (await left()) < 4, 'at the end while it grows');
    await box.hover();
    await page.mouse.wheel(0, -300);
    await page.getByRole('button', { name: 'Latest' }).waitFor();
    const place = () => answers(page).getByText('Paragraph 15 of').evaluate((el) => el.getBoundingClientRect().top);
    const before = await place();
    await answers(page).getByText('Paragraph 40 of').waitFor();
    check(Math.abs((await place()) - before) < 2, 'what is looked at stays');
    await axe(page, 'scrolled up');
    await page.getByRole('button', { name: 'Latest' }).click();
    await eventually(async () => (await left()) < 4, 'Latest goes to the end');
    await answers(page).getByText('Paragraph 60 of').waitFor();
    await sendButton(page).waitFor();
    await eventually(async () => (await left()) < 4, 'and stays there');
    quiet(page);
  });

  await test('Stop keeps what is there and offers Retry; Esc stops too', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 30 });
    mock.scripts.push({ text: long }, { text: long }, { text: 'Short.' });
    await page.goto(mock.url);
    await say(page, 'tell me');
    await answers(page).getByText('Paragraph 1 of').waitFor();
    await stopButton(page).click();
    await page.getByText('You stopped this answer.').waitFor();
    check((await answers(page).textContent()).startsWith('Paragraph 1'), 'what was there is kept');
    await page.reload();
    await page.getByText('You stopped this answer.').waitFor();
    equal(await page.getByText('You stopped this answer.').count(), 1, 'told once, also after a reload');
    await look(page, 'stopped');
    await axe(page, 'stopped');
    await page.getByRole('button', { name: 'Retry' }).click();
    await eventually(async () => (await answers(page).count()) === 1 && (await stopButton(page).isVisible()), 'one answer, which streams');
    await message(page).press('Escape');
    await page.getByText('You stopped this answer.').waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await answers(page).getByText('Short.').waitFor();
    equal(await questions(page).count(), 1, 'questions');
    mock.scripts.push({ text: long }, { text: 'Another.' });
    await say(page, 'and now?');
    await answers(page).getByText('Paragraph 1 of').waitFor();
    await stopButton(page).click();
    await page.getByText('You stopped this answer.').waitFor();
    await say(page, 'never mind');
    await answers(page).getByText('Another.').waitFor();
    await page.getByText('You stopped this answer.').waitFor(); // it stays where it was
    equal(await page.getByRole('button', { name: 'Retry' }).count(), 0, 'offers of a retry');
    quiet(page);
  });

  await test('what was seen at one server is asked of every other', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 2 });
    await page.goto(mock.url);
    await say(page, 'what is left?');
    await answered(page);
    const sent = () => mock.requests.at(-1).headers['x-chatkitd-position'];
    const at = String(mock.head); // told by a comment of the stream: the log is behind it by now
    await page.reload();
    await answers(page).first().waitFor();
    check(mock.requests.some((r) => r.body?.type === 'items.list' && r.headers['x-chatkitd-position'] === at), `it reads up to ${at}, after a reload too`);
    mock.head = 5; // another log
    mock.requests.length = 0;
    await page.reload();
    await answers(page).first().waitFor();
    equal(await questions(page).count(), 1, 'questions');
    await page.getByRole('textbox', { name: 'Add a task' }).fill('milk');
    await page.getByRole('textbox', { name: 'Add a task' }).press('Enter');
    await eventually(() => mock.requests.at(-1).method === 'POST' && mock.requests.at(-1).path === '/api/v1/tasks', 'the task is added');
    check(Number(sent() ?? 0) < 1_000_000, `the position of the log before is forgotten, it sends ${sent()}`);
    await page.locator('.task').getByText('milk').waitFor();
    quiet(page);
  });

  await test('a reload in mid-answer goes on with the same answer', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 25 });
    mock.scripts.push({ text: long.slice(0, 800) });
    await page.goto(mock.url);
    await say(page, 'tell me');
    await answers(page).getByText('Paragraph 2 of').waitFor();
    await page.reload();
    await stopButton(page).waitFor();
    await answered(page);
    equal(await answers(page).count(), 1, 'answers');
    equal(await questions(page).count(), 1, 'questions');
    equal((await answers(page).locator('.md').innerText()).replaceAll(/\s+/g, ' '), long.slice(0, 800).replaceAll(/\s+/g, ' ').trim(), 'the answer');
    equal(mock.requests.filter((r) => r.body?.type?.startsWith('threads.create')).length, 1, 'turns');
    quiet(page);
  });

  await test('the composer: lines, limit, draft', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 2 });
    await page.goto(mock.url);
    const height = () => message(page).evaluate((el) => el.clientHeight);
    const one = await height();
    await message(page).fill('one');
    await message(page).press('Shift+Enter');
    await message(page).pressSequentially('two');
    equal(await message(page).inputValue(), 'one\ntwo', 'Shift+Enter');
    check((await height()) > one, 'it grows');
    await message(page).fill('x\n'.repeat(5) + 'x');
    const six = await height();
    await message(page).fill('x\n'.repeat(40));
    equal(await height(), six, 'height beyond six lines');
    await message(page).fill('a'.repeat(33_204));
    await page.getByText('1,204 characters too long').waitFor();
    await look(page, 'too-long');
    await message(page).press('Enter');
    equal(await questions(page).count(), 0, 'sent');
    await message(page).fill('a draft');
    await page.reload();
    await eventually(async () => (await message(page).inputValue()) === 'a draft', 'the draft survives');
    await message(page).press('Enter');
    await answered(page);
    await message(page).fill('of this thread');
    await page.getByRole('button', { name: 'New chat' }).first().click();
    equal(await message(page).inputValue(), '', 'a draft belongs to its thread');
    await page.goBack();
    await eventually(async () => (await message(page).inputValue()) === 'of this thread', 'and comes back with it');
    await page.reload();
    await eventually(async () => (await message(page).inputValue()) === 'of this thread', 'also after a reload');
    quiet(page);
  });

  await test('copy and thumbs', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 2 });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: mock.url });
    mock.scripts.push({ text: 'It is **so**.' });
    await page.goto(mock.url);
    await say(page, 'is it?');
    await answered(page);
    await page.getByRole('button', { name: 'Copy answer' }).click();
    equal(await page.evaluate(() => navigator.clipboard.readText()), 'It is **so**.', 'copied');
    const good = page.getByRole('button', { name: 'Good answer' });
    await good.click();
    equal(await good.getAttribute('aria-pressed'), 'true', 'pressed');
    const sent = await eventually(() => mock.requests.find((r) => r.body?.type === 'items.feedback'), 'feedback');
    equal(sent.body.params.kind, 'positive', 'kind');
    mock.refusals.push({ match: (_, body) => body?.type === 'items.feedback', status: 500, code: 'internal', message: 'internal error' });
    await page.getByRole('button', { name: 'Bad answer' }).click();
    await page.getByText('Your feedback was not saved.').waitFor();
    equal(await good.getAttribute('aria-pressed'), 'true', 'back to what was saved');
    quiet(page);
  });

  await test('an answer to look at', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 1 });
    await page.goto(mock.url);
    for (const text of ['add buy milk tomorrow, and call Anna', 'what is left?', 'done with the milk']) {
      await say(page, text);
      await page.locator('.waiting').waitFor({ state: 'detached' });
      await answered(page);
    }
    mock.putTask('alice', { title: 'Send the invoice', due_at: new Date(Date.now() - 90_000_000).toISOString(), priority: 'high', tags: ['work'] });
    mock.putTask('alice', { title: 'Water the plants', due_at: new Date(new Date().setHours(23, 30)).toISOString(), tags: ['home', 'garden', 'x'] });
    mock.putTask('alice', { title: 'Book a table for the team, somewhere that has a garden and is not too loud', due_at: new Date(Date.now() + 4 * 86_400_000).toISOString(), description: 'x', priority: 'medium' });
    for (const title of ['Trip to Rome', 'Groceries', 'A very long title of a chat that does not fit']) mock.addThread('alice', title);
    await page.reload();
    await task(page, 'Send the invoice').waitFor();
    await page.getByText('Good work').waitFor();
    await look(page, 'full');
    await picture(page, 'full');
    quiet(page);
  });
}
