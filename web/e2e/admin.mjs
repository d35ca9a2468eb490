// The operator's page against the mock: each tab as an operator uses it, what
// fails, other screens, and a very long log.
import { added, startAdminMock } from './admin-mock.mjs';
import { axe, check, equal, eventually, look, open, picture, quiet, test } from './browser.mjs';

async function begin(after, options, window) {
  const mock = await startAdminMock(options);
  after(mock.close);
  const page = await open(window);
  return { mock, page };
}

const row = (page, text) => page.getByRole('row').filter({ hasText: text });
const rows = (page) => page.locator('.rows-all .row');
const detail = (page) => page.getByRole('complementary');
const tab = (page, name) => page.getByRole('navigation', { name: 'Tabs' }).getByRole('link', { name });
const filterField = (page) => page.getByRole('combobox', { name: 'Filter, or find an id' });
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
const hash = (page) => new URL(page.url()).hash;
const byHand = { $correlationId: 'req_hand', user_id: 'alice' };

async function filter(page, text) {
  await filterField(page).fill(text);
  await filterField(page).press('Enter');
}

export async function admin() {
  await test('admin: the log by filters, a row opens, its causes are a click away', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(mock.url);
    await row(page, 'forget the plants').first().waitFor();
    equal(await page.getByRole('grid').getAttribute('aria-rowcount'), String(mock.log.length + 1), 'rows with the headings');
    await look(page, 'admin-log');
    await filter(page, 'user:alice');
    await eventually(async () => (await rows(page).count()) === 5, 'only the events of alice');
    check(hash(page) === '#log?user=alice', `the address holds the filter: ${hash(page)}`);
    await row(page, 'added “call Anna”').click();
    await detail(page).getByText('call Anna').first().waitFor();
    await page.keyboard.press('Escape');
    await filter(page, 'task.completed');
    await eventually(async () => (await rows(page).count()) === 1, 'only what she completed');
    await row(page, 'completed “buy milk”').click();
    await detail(page).getByRole('heading', { name: /^Event/ }).waitFor();
    await detail(page).getByText('"task_id"').waitFor();
    await detail(page).getByText('"$correlationId"').waitFor();
    await look(page, 'admin-log-event');
    await detail(page).getByRole('link', { name: 'What caused this?' }).click();
    await page.getByRole('treeitem', { name: /Message.*done with the milk/ }).waitFor();
    await page.getByRole('treeitem', { name: /completed “buy milk”/ }).and(page.locator('[aria-selected=true]')).waitFor();
    equal(await page.locator('.node[data-lit=true]').count(), 6, 'steps from the request to the event');
    await look(page, 'admin-causes');
    await page.goBack();
    await detail(page).waitFor();
    await page.goBack();
    await detail(page).waitFor({ state: 'detached' });
    await page.goBack();
    await eventually(async () => (await rows(page).count()) === 5, 'back to the filter before');
    await page.goForward();
    await eventually(async () => (await rows(page).count()) === 1, 'and forward');
    await page.getByRole('button', { name: 'Remove Type task.completed.v1' }).click();
    await eventually(async () => (await rows(page).count()) === 5, 'a chip goes, its filter too');
    quiet(page);
  });

  await test('admin: the log follows live, holds still on demand, and does not move under the reader', async ({ after }) => {
    const { mock, page } = await begin(after, { events: 300 });
    await page.goto(mock.url);
    await row(page, 'Task 299').waitFor();
    added('sell the cow')(mock, 'alice', byHand);
    await row(page, 'sell the cow').waitFor();
    await page.getByRole('button', { name: 'Live' }).click();
    await eventually(() => mock.followers.size === 0, 'nobody follows');
    added('buy a goat')(mock, 'alice', byHand);
    await page.getByRole('button', { name: 'Paused' }).click();
    await row(page, 'buy a goat').waitFor();
    equal(await row(page, 'buy a goat').count(), 1, 'what was missed comes once');
    await page.locator('.rows').evaluate((el) => (el.scrollTop = 3200));
    const at = () => page.evaluate(() => [...document.querySelectorAll('.rows-all .row')].find((el) => el.getBoundingClientRect().top > 200)?.textContent);
    const before = await eventually(at, 'rows in view');
    for (let i = 0; i < 25; i++) added(`more ${i}`)(mock, 'alice', byHand);
    await eventually(async () => (await page.locator('.rows').evaluate((el) => el.scrollTop)) > 3900, 'the view goes along');
    equal(await at(), before, 'the row under the eye');
    quiet(page);
  });

  await test('admin: lost and found again, without a gap or a double', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(mock.url);
    await row(page, 'forget the plants').first().waitFor();
    await mock.down();
    await page.getByText('Connection lost.').waitFor();
    await look(page, 'admin-lost');
    added('while away')(mock, 'alice', byHand);
    await mock.start(mock.port);
    await row(page, 'while away').waitFor({ timeout: 30_000 });
    equal(await row(page, 'while away').count(), 1, 'once');
    await page.getByText('Connection lost.').waitFor({ state: 'detached' });
    quiet(page);
  });

  await test('admin: slide through the list of alice, and play it', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(`${mock.url}#stream`);
    await page.getByText('Whose history?').waitFor();
    await look(page, 'admin-stream-empty');
    await page.getByRole('textbox', { name: 'User, thread or stream' }).fill('alice');
    await page.keyboard.press('Enter');
    const state = page.getByRole('region', { name: 'State', exact: true });
    const step = page.getByRole('region', { name: 'Step' });
    await step.getByText('deleted “water the plants”').first().waitFor();
    equal(await state.getByRole('listitem').count(), 2, 'tasks at the end');
    await page.getByRole('heading', { name: /^Tasks/ }).click();
    await page.keyboard.press('ArrowLeft');
    await state.getByText('water the plants').waitFor();
    await page.keyboard.press('ArrowLeft');
    await step.getByText('completed “buy milk”').waitFor();
    check(hash(page).endsWith('revision=2'), `the address holds the revision: ${hash(page)}`);
    await step.getByText('Because of the message').waitFor();
    await step.getByRole('link', { name: '“done with the milk”' }).waitFor();
    const changed = step.getByRole('region', { name: 'What it changed' });
    await changed.getByText('pending').waitFor();
    check((await changed.innerText()).includes('completed_at'), 'the diff names the fields');
    await look(page, 'admin-stream');
    await page.getByRole('slider', { name: 'Revision' }).fill('0');
    equal(await state.getByRole('listitem').count(), 1, 'tasks after the first step');
    await page.getByRole('button', { name: 'Play' }).click();
    await step.getByText('deleted “water the plants”').first().waitFor({ timeout: 15_000 });
    await page.getByRole('button', { name: 'Play' }).waitFor();
    equal(await page.locator('.problem').count(), 0, 'doubts about the state');
    await step.getByRole('link', { name: 'What caused this?' }).click();
    await page.getByRole('treeitem', { name: /Message.*forget the plants/ }).waitFor();
    await page.goto(`${mock.url}#stream?stream=thread-thr_groceries`);
    await state.getByText('done with the milk').waitFor();
    await look(page, 'admin-stream-thread');
    await page.goto(`${mock.url}#stream?stream=user-nobody`);
    await page.getByText('The history could not be read:').waitFor();
    await look(page, 'admin-stream-missing');
    quiet(page);
  });

  await test('admin: a long history is read in parts, and grows while it is looked at', async ({ after }) => {
    const { mock, page } = await begin(after);
    const change = (n) => ({ id: `tsk_${n % 30}`, title: `Change ${n}`, status: 'pending', completed: false });
    for (let n = 0; n < 3000; n++) mock.append('user-long', 'task.updated.v1', { task_id: `tsk_${n % 30}` }, {}, `change ${n}`, [`tsk_${n % 30}`, change(n)]);
    const replays = () => mock.requests.filter(({ path }) => path.endsWith('/replay')).length;
    const step = page.getByRole('region', { name: 'Step' });
    const state = page.getByRole('region', { name: 'State', exact: true });
    await page.goto(`${mock.url}#stream?stream=user-long`);
    await step.getByText('change 2999', { exact: true }).waitFor();
    equal(await state.getByRole('listitem').count(), 30, 'tasks at the end');
    check(replays() <= 4, `the end alone is read: ${replays()} reads`);
    await page.getByRole('slider', { name: 'Revision' }).fill('1234');
    await step.getByText('change 1234', { exact: true }).waitFor();
    await state.getByText('Change 1205', { exact: true }).waitFor();
    const read = replays();
    await page.getByRole('heading', { name: /^Tasks/ }).click();
    for (const n of [1233, 1232, 1231]) {
      await page.keyboard.press('ArrowLeft');
      await step.getByText(`change ${n}`, { exact: true }).waitFor();
    }
    equal(replays(), read, 'reads for moving within a part');
    await page.keyboard.press('End');
    await step.getByText('change 2999', { exact: true }).waitFor();
    mock.append('user-long', 'task.updated.v1', { task_id: 'tsk_0' }, {}, 'change 3000', ['tsk_0', change(3000)]);
    await step.getByText('change 3000', { exact: true }).waitFor();
    await state.getByText('Change 3000', { exact: true }).waitFor();
    await look(page, 'admin-stream-long');
    await page.keyboard.press('ArrowLeft');
    await step.getByText('change 2999', { exact: true }).waitFor();
    mock.append('user-long', 'task.updated.v1', { task_id: 'tsk_1' }, {}, 'change 3001', ['tsk_1', change(3001)]);
    await page.locator('.where').getByText('of 3001').waitFor();
    equal(await step.getByText('change 2999', { exact: true }).count(), 1, 'the step that is looked at stays');
    equal(await page.locator('.problem').count(), 0, 'doubts about the state');
    quiet(page);
  });

  await test('admin: a turn as a tree, by keyboard, and where its time went', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(`${mock.url}#turn`);
    await page.getByRole('heading', { name: 'Latest turns' }).waitFor();
    equal(await page.locator('.latest li').count(), 5, 'turns');
    await look(page, 'admin-turns');
    await page.locator('.latest li a').last().click();
    const tree = page.getByRole('tree', { name: 'What caused what' });
    await tree.waitFor();
    equal(await tree.getByRole('treeitem').count(), 8, 'request, message, turn, model, two tools with an event each');
    await tree.getByRole('treeitem', { name: /^Turn/ }).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.getByRole('region', { name: 'Chosen step' }).getByText('call Anna').first().waitFor();
    check((await page.evaluate(() => document.activeElement.getAttribute('aria-label'))).includes('call Anna'), 'the focus goes along');
    const where = page.getByRole('region', { name: 'Where the time went' });
    check(/Model \d+ ms \d+ %/.test((await where.innerText()).replaceAll(/\s+/g, ' ')), 'the share of the model');
    await look(page, 'admin-turn');
    await where.getByRole('button', { name: /offline/ }).click();
    await page.getByRole('region', { name: 'Chosen step' }).getByText('"input_tokens"').waitFor();
    await page.goto(`${mock.url}#turn?id=nonsense`);
    await page.getByText('leads nowhere').waitFor();
    await look(page, 'admin-turn-missing');
    quiet(page);
  });

  await test('admin: a rebuild is asked for, watched, compared and rolled back; a failure is skipped', async ({ after }) => {
    const { mock, page } = await begin(after);
    const [tasks, threads] = mock.projections;
    await page.goto(`${mock.url}#projections`);
    const card = (name) => page.getByRole('article', { name, exact: true });
    await card('tasks').getByText('running').waitFor();
    await look(page, 'admin-projections');
    await card('tasks').getByRole('button', { name: 'Rebuild: tasks' }).click();
    const dialog = page.getByRole('dialog', { name: 'Rebuild: tasks' });
    await dialog.getByText('beside the ones that serve').waitFor();
    await look(page, 'admin-confirm');
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    equal(mock.orders, [], 'nothing was done');
    mock.act = (name, action) => {
      if (action === 'rebuild') tasks.rebuild = { phase: 'fold', events: 250_000, total: 1_000_000, rate: 50_000, eta_seconds: 15, started: new Date().toISOString() };
      if (action === 'pause') tasks.rebuild.paused = true;
      if (action === 'resume') tasks.rebuild.paused = false;
      mock.tell();
    };
    await card('tasks').getByRole('button', { name: 'Rebuild: tasks' }).click();
    await dialog.getByRole('button', { name: 'Rebuild' }).click();
    await eventually(() => mock.orders.length === 1, 'the order is given');
    equal(mock.orders[0].slice(0, 2), ['tasks', 'rebuild'], 'order');
    await card('tasks').getByText('15 s left').waitFor();
    equal(await card('tasks').getByRole('progressbar').evaluate((el) => el.value), 0.25, 'progress');
    check(await page.getByRole('button', { name: 'Rebuild all' }).isDisabled(), 'two at once are not offered');
    await page.getByText('has begun').waitFor({ state: 'detached', timeout: 10_000 });
    await look(page, 'admin-rebuild');
    await card('tasks').getByRole('button', { name: 'Pause rebuild: tasks' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause rebuild' }).click();
    await card('tasks').getByText('Paused').waitFor();
    tasks.rebuild = { phase: 'done', events: 1_000_000, rate: 50_000, eta_seconds: 0, started: new Date(Date.now() - 20_000).toISOString(), ended: new Date().toISOString(), compare: { equal: false, rows: 2000, hash: '9f86d081884c7d65', differences: [{ table: 'tasks', key: 'tsk_1', old: '{"title":"milk"}', new: '{"title":"buy milk"}' }], more: 2 } };
    tasks.generation = 4;
    tasks.previous = 3;
    threads.state = 'failed';
    threads.lag_events = 12;
    threads.lag_seconds = 40;
    threads.failure = { reason: 'the event cannot be folded', position: '7', stream: 'thread-thr_groceries', revision: 4, type: 'item.added.v1', attempts: 5, since: new Date().toISOString() };
    mock.tell();
    await card('tasks').getByText('New and old differ in 3 rows of 2,000.').waitFor();
    await card('threads').getByText('the event cannot be folded').waitFor();
    await look(page, 'admin-failed');
    await card('tasks').getByRole('button', { name: 'Roll back: tasks' }).click();
    await page.getByRole('dialog').getByText('generation 3').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
    await card('threads').getByRole('button', { name: 'Skip the event: threads' }).click();
    await page.getByRole('dialog').getByText('position 7').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Skip the event' }).click();
    await eventually(() => mock.orders.length === 4, 'both were asked for');
    equal(mock.orders.slice(2), [['tasks', 'rollback', undefined], ['threads', 'skip', { position: '7' }]], 'orders');
    mock.refusals.push({ match: (req) => req.method === 'POST', status: 409, code: 'conflict', message: 'a rebuild of threads is under way' });
    await card('threads').getByRole('button', { name: 'Retry: threads' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('alert').getByText('a rebuild of threads is under way').waitFor();
    quiet(page);
  });

  await test('admin: health is drawn while it is open, and no longer', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.health = { status: 'degraded', checks: { event_store: { status: 'ok', duration_ms: 1 }, model: { status: 'down', optional: true, duration_ms: 3 } } };
    let asked = 0;
    page.on('request', (req) => (asked += req.url().endsWith('/metrics') ? 1 : 0));
    await page.goto(`${mock.url}#health`);
    await page.getByText('degraded').waitFor();
    await page.getByRole('img', { name: /^Live actors: now 5\d/ }).waitFor();
    await page.getByRole('img', { name: /^Appends: now [\d.]+\/s/ }).waitFor();
    await page.getByRole('img', { name: /^Append p99: now [\d.]+ ms/ }).waitFor();
    await look(page, 'admin-health');
    await tab(page, 'Log').click();
    await row(page, 'forget the plants').first().waitFor();
    const then = asked;
    await page.waitForTimeout(2600);
    equal(asked, then, 'questions after the tab was left');
    quiet(page);
  });

  await test('admin: without the role it says which one is missing, and takes another token', async ({ after }) => {
    const { mock, page } = await begin(after, { development: false });
    await page.goto(mock.url);
    const gate = page.getByRole('dialog', { name: 'Sign in' });
    await gate.getByLabel('Access token').fill('user-bob');
    await gate.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('needs the role admin').waitFor();
    await look(page, 'admin-forbidden');
    await page.getByRole('main').getByRole('button', { name: 'Use another token' }).click();
    await gate.getByLabel('Access token').fill('admin-root');
    await gate.getByRole('button', { name: 'Go on' }).click();
    await row(page, 'forget the plants').first().waitFor();
    const kept = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href]));
    check(!kept.includes('admin-root'), `the token is kept nowhere: ${kept}`);
    quiet(page);
  });

  await test('admin: what fails says so, and Retry helps', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.refusals.push({ match: (req, url) => url.pathname.endsWith('/events'), status: 503, code: 'unavailable', message: 'the log cannot be read at the moment' });
    await page.goto(mock.url);
    await page.getByText('the log cannot be read at the moment').waitFor();
    await look(page, 'admin-error');
    await page.getByRole('button', { name: 'Retry' }).click();
    await row(page, 'forget the plants').first().waitFor();
    await filter(page, 'nonsense:1');
    await page.getByText('There is no filter “nonsense”').waitFor();
    await axe(page, 'a mistyped filter');
    await filter(page, 'user:nobody');
    await page.getByText('No event matches').waitFor();
    await look(page, 'admin-empty');
    quiet(page);
  });

  await test('admin: keys', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(mock.url);
    await row(page, 'forget the plants').first().waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await look(page, 'admin-keys');
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type('task.added');
    await page.keyboard.press('Enter');
    await eventually(async () => (await rows(page).count()) === 4, 'what was added');
    await page.keyboard.press('Escape');
    await rows(page).first().focus();
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowDown');
    await eventually(() => page.evaluate(() => document.activeElement.dataset.at === '2'), 'the third row');
    await page.keyboard.press('Enter');
    await detail(page).waitFor();
    await page.keyboard.press('Escape');
    await detail(page).waitFor({ state: 'detached' });
    await eventually(() => page.evaluate(() => document.activeElement.dataset.at === '2'), 'the focus comes back');
    for (const [key, name] of [['2', 'Stream'], ['3', 'Turn'], ['4', 'Projections'], ['5', 'Health'], ['1', 'Log']]) {
      await page.keyboard.press(key);
      await page.getByRole('region', { name, exact: true }).waitFor();
      await eventually(async () => (await page.title()) === `${name} · chatkitd`, `the title tells ${name}`);
    }
    quiet(page);
  });

  for (const [width, height] of [[360, 640], [800, 1000], [2560, 1440]]) {
    await test(`admin: ${width} px`, async ({ after }) => {
      const { mock, page } = await begin(after, {}, { viewport: { width, height }, ...(width < 720 && { hasTouch: true, isMobile: true }) });
      const milk = mock.log.find((event) => event.type === 'task.completed.v1');
      mock.projections[0].rebuild = { phase: 'compare', events: 10_000, total: 10_000, rate: 51_000, eta_seconds: 1, started: new Date().toISOString() };
      const places = { log: '#log', event: `#log?event=${milk.position}`, stream: '#stream?stream=user-alice', turn: `#turn?id=${milk.id}`, projections: '#projections', health: '#health' };
      await page.goto(mock.url);
      for (const [name, place] of Object.entries(places)) {
        await page.goto(mock.url + place);
        await page.locator('.rows-all .row, .tree, .travel, .card, .chart').first().waitFor();
        if (name === 'event') await detail(page).getByText('"task_id"').waitFor();
        equal(await overflow(page), 0, `px too wide: ${name}`);
        await look(page, `admin-${width}-${name}`);
      }
      quiet(page);
    });
  }

  await test('admin: a skeleton comes after 200 ms and not before', async ({ after }) => {
    const { mock, page } = await begin(after);
    let go;
    mock.hold = new Promise((resolve) => (go = resolve));
    await page.addInitScript(() => {
      new MutationObserver(() => {
        if (document.querySelector('.skeleton')) globalThis.skeletonAt ??= performance.now();
        if (document.querySelector('.operator')) globalThis.pageAt ??= performance.now();
      }).observe(document, { subtree: true, childList: true });
    });
    await page.goto(mock.url);
    await page.getByRole('status', { name: 'Loading events' }).waitFor();
    const wait = await page.evaluate(() => globalThis.skeletonAt - globalThis.pageAt);
    check(wait > 190, `the skeleton came after ${wait} ms`);
    await look(page, 'admin-skeleton');
    mock.hold = undefined;
    go();
    await row(page, 'forget the plants').first().waitFor();
    equal(await page.locator('.skeleton').count(), 0, 'skeletons left');
    quiet(page);
  });

  await test('admin: 100,000 events', async ({ after }) => {
    const { mock, page } = await begin(after, { events: 100_000 });
    const started = Date.now();
    await page.goto(mock.url);
    await row(page, 'Task 99999').waitFor();
    const shown = Date.now() - started;
    await rows(page).first().focus();
    const begun = Date.now();
    await eventually(
      async () => {
        await page.keyboard.press('End');
        return (await row(page, 'request of').count()) + (await page.locator('[data-at="99999"]').count()) > 0;
      },
      'the first event',
      120_000,
    );
    const all = Date.now() - begun;
    const elements = await page.evaluate(() => document.querySelectorAll('*').length);
    const scroll = await page.evaluate(async () => {
      const el = document.querySelector('.rows');
      const times = [];
      let empty = 0;
      let last = performance.now();
      for (let i = 1; i <= 120; i++) {
        el.scrollTop = (el.scrollHeight * i) / 120;
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        times.push(performance.now() - last);
        last = performance.now();
        const box = el.getBoundingClientRect();
        if (!document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)?.closest('.row')) empty++;
      }
      times.sort((a, b) => a - b);
      return { median: Math.round(times[60]), p95: Math.round(times[114]), slowest: Math.round(times[119]), empty };
    });
    added('the newest of all')(mock, 'alice', byHand);
    await page.locator('.rows').evaluate((el) => (el.scrollTop = 0));
    await row(page, 'the newest of all').waitFor();
    console.log(`     shown after ${shown} ms; all loaded in ${all} ms, ${elements} elements; 120 steps of scrolling: median ${scroll.median} ms, p95 ${scroll.p95} ms, slowest ${scroll.slowest} ms, ${scroll.empty} times nothing to see`);
    check(shown < 3000 && elements < 1500, 'shown quickly, and little of it');
    check(scroll.median < 100 && scroll.empty === 0, 'smooth');
    await picture(page, 'admin-long');
    quiet(page);
  });
}
