// How the page behaves by keyboard, on other screens, while it loads, and with
// a great deal in it.
import { answered, answers, axe, check, equal, eventually, look, message, open, picture, questions, quiet, say, task, taskPane, test } from './browser.mjs';
import { startMock } from './mock.mjs';

async function begin(after, options, window) {
  const mock = await startMock({ delay: 2, ...options });
  after(mock.close);
  const page = await open(window);
  return { mock, page };
}

const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent);
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

export async function shape() {
  await test('keys', async ({ after }) => {
    const { mock, page } = await begin(after);
    for (const title of ['one', 'two', 'three']) mock.putTask('alice', { title });
    mock.addThread('alice', 'Rome');
    await page.goto(mock.url);
    await task(page, 'one').waitFor();
    await message(page).blur();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await look(page, 'keys');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('/');
    await eventually(async () => (await focused(page)) === 'task-search', '/ searches');
    await page.keyboard.type('?ct/');
    equal(await page.getByRole('searchbox').inputValue(), '?ct/', 'keys in a field are text');
    await page.keyboard.press('Escape');
    await page.keyboard.press('t');
    await eventually(async () => (await focused(page)) === 'task-add', 't adds a task');
    await page.getByRole('textbox', { name: 'Add a task' }).blur();
    await page.getByRole('link', { name: 'Rome' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: 'Rome' }).waitFor();
    await page.getByRole('heading', { level: 2, name: 'Rome' }).click();
    await page.keyboard.press('c');
    await page.getByRole('heading', { name: 'What is on your mind?' }).waitFor();
    await eventually(async () => (await focused(page)) === 'message', 'c opens a new chat');
    await task(page, 'three').getByRole('checkbox').focus();
    await page.keyboard.press('ArrowDown');
    equal(await focused(page), 'Done: two', 'arrow down');
    await page.keyboard.press('ArrowUp');
    equal(await focused(page), 'Done: three', 'arrow up');
    // Everything can be reached by Tab, and where one is can be seen.
    await page.evaluate(() => document.activeElement.blur());
    const seen = new Set();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const el = document.activeElement;
        if (el === document.body) return { name: '', visible: true }; // past the last one
        const style = getComputedStyle(el);
        const field = getComputedStyle(el.closest('.composer-box, .task-search, .task-add') ?? el);
        return { name: el.getAttribute('aria-label') || el.textContent, visible: style.outlineStyle !== 'none' || field.boxShadow !== 'none' };
      });
      check(at.visible, `focus on ${at.name} can be seen`);
      seen.add(at.name);
    }
    for (const name of ['New chat', 'Rome', 'Delete Rome', 'Keys', 'Message', 'Search tasks', 'Add a task', 'Done: one', 'Details of one', 'What is left?']) {
      check([...seen].some((s) => s.trim() === name), `Tab reaches ${name}; it reached ${[...seen].join(', ')}`);
    }
    quiet(page);
  });

  for (const [width, height] of [[360, 640], [390, 844]]) {
    await test(`${width} px: one column, tabs at the bottom`, async ({ after }) => {
      const { mock, page } = await begin(after, {}, { viewport: { width, height }, hasTouch: true, isMobile: true });
      mock.addThread('alice', 'A title that is far too long for a screen of this width');
      mock.putTask('alice', { title: 'A task with a title that does not fit into one line of such a screen', due_at: new Date(Date.now() + 9e8).toISOString(), tags: ['home', 'garden'], priority: 'high' });
      const tab = (name) => page.getByRole('navigation', { name: 'Panes' }).getByRole('button', { name, exact: true });
      await page.goto(mock.url);
      await page.getByRole('heading', { name: 'What is on your mind?' }).waitFor();
      equal(await overflow(page), 0, 'px too wide');
      await look(page, `narrow-${width}-empty`);
      mock.scripts.push({ text: `Here:\n\n\`\`\`\n${'a long line of code '.repeat(10)}\n\`\`\`\n\n| a | b | c |\n|---|---|---|\n| ${'wide '.repeat(20)} | b | c |\n\nhttps://example.org/${'a'.repeat(120)}` });
      await say(page, 'a'.repeat(200));
      await answered(page);
      equal(await overflow(page), 0, 'px too wide with an answer');
      await look(page, `narrow-${width}-chat`);
      await tab('Tasks').tap();
      await taskPane(page).getByText('A task with a title').waitFor();
      check(!(await message(page).isVisible()), 'one pane at a time');
      equal(await overflow(page), 0, 'px too wide with tasks');
      await look(page, `narrow-${width}-tasks`);
      await page.getByRole('button', { name: /Details of/ }).tap();
      await look(page, `narrow-${width}-drawer`);
      await page.getByRole('button', { name: 'Close' }).tap();
      await tab('Chats').tap();
      await look(page, `narrow-${width}-chats`);
      await page.getByRole('link', { name: /A title that/ }).tap();
      await message(page).waitFor();
      quiet(page);
    });
  }

  for (const [width, height] of [[800, 1000], [2560, 1440]]) {
    await test(`${width} px`, async ({ after }) => {
      const { mock, page } = await begin(after, {}, { viewport: { width, height } });
      mock.addThread('alice', 'Rome');
      mock.putTask('alice', { title: 'buy milk' });
      await page.goto(mock.url);
      await say(page, 'what is left?');
      await answered(page);
      equal(await overflow(page), 0, 'px too wide');
      await look(page, `width-${width}`);
      if (width === 800) {
        await page.getByRole('region', { name: 'Conversation' }).getByRole('button', { name: 'Chats' }).click();
        await page.getByRole('link', { name: 'Rome' }).waitFor();
        await look(page, 'width-800-chats');
        await eventually(async () => (await focused(page)) === 'new-chat', 'the focus goes to the chats');
        await page.keyboard.press('Escape');
        await page.getByRole('link', { name: 'Rome' }).waitFor({ state: 'hidden' });
        await eventually(async () => (await focused(page)) === 'message', 'and comes back');
        await page.getByRole('region', { name: 'Conversation' }).getByRole('button', { name: 'Chats' }).click();
        await page.getByRole('link', { name: 'Rome' }).click();
        await page.getByRole('link', { name: 'Rome' }).waitFor({ state: 'hidden' });
      }
      quiet(page);
    });
  }

  await test('light and dark by a switch, kept over a reload', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.goto(mock.url);
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    await message(page).waitFor();
    const dark = await ground();
    await page.getByRole('button', { name: 'Colours as the system has them' }).click();
    await page.getByRole('button', { name: 'Light colours' }).waitFor();
    check((await ground()) !== dark, 'light is not dark');
    await page.reload();
    await page.getByRole('button', { name: 'Light colours' }).click();
    equal(await ground(), dark, 'dark by switch');
    quiet(page);
  });

  await test('a skeleton comes after 200 ms and not before; nothing moves when it goes', async ({ after }) => {
    const { mock, page } = await begin(after);
    const thread = mock.addThread('alice', 'Rome', [{ type: 'user_message', content: [{ type: 'input_text', text: 'hi' }] }, { type: 'assistant_message', content: [{ type: 'output_text', text: 'Hello.', annotations: [] }] }]);
    let go;
    mock.hold = new Promise((resolve) => (go = resolve));
    await page.addInitScript(() => {
      new MutationObserver(() => {
        if (document.querySelector('.skeleton')) globalThis.skeletonAt ??= performance.now();
        if (document.querySelector('.composer')) globalThis.pageAt ??= performance.now();
      }).observe(document, { subtree: true, childList: true });
    });
    await page.goto(`${mock.url}/t/${thread.id}`);
    await page.getByRole('status', { name: 'Loading messages' }).waitFor();
    const wait = await page.evaluate(() => globalThis.skeletonAt - globalThis.pageAt);
    check(wait > 190, `the skeleton came after ${wait} ms`);
    await look(page, 'skeleton');
    mock.hold = undefined;
    go();
    await answers(page).getByText('Hello.').waitFor();
    equal(await page.locator('.skeleton').count(), 0, 'skeletons left');
    quiet(page);
  });

  await test('reduced motion', async ({ after }) => {
    const { mock, page } = await begin(after, { delay: 100 });
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.goto(mock.url);
    await say(page, 'hello');
    await page.getByText('Thinking…').first().waitFor();
    const moving = await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running' && a.effect.getComputedTiming().duration > 1).length);
    equal(moving, 0, 'animations that move');
    quiet(page);
  });

  await test('10,000 tasks', async ({ after }) => {
    const { mock, page } = await begin(after);
    for (let i = 0; i < 10_000; i++) mock.putTask('alice', { title: `Task ${i}`, tags: ['bulk'], ...(i % 4 === 0 && { due_at: new Date(Date.now() + (i - 400) * 3.6e6).toISOString() }) });
    const started = Date.now();
    await page.goto(mock.url);
    await taskPane(page).getByRole('listitem').first().waitFor();
    const shown = Date.now() - started;
    const elements = await page.evaluate(() => document.querySelectorAll('*').length);
    const scroll = await scrollThrough(page, '.tasks .scroll');
    await page.getByRole('searchbox').fill('Task 9999');
    const begun = performance.now();
    await eventually(async () => (await taskPane(page).getByRole('listitem').count()) === 1, 'found');
    console.log(`     shown after ${shown} ms, ${elements} elements; ${scroll.text}; found after ${Math.round(performance.now() - begun)} ms`);
    check(shown < 3000 && elements < 3000, 'shown quickly, and little of it');
    check(scroll.p95 < 100 && scroll.empty === 0, `smooth: ${scroll.text}`);
    quiet(page);
  });

  await test('10,000 messages', async ({ after }) => {
    const { mock, page } = await begin(after);
    const items = Array.from({ length: 10_000 }, (_, i) =>
      i % 2 === 0
        ? { type: 'user_message', content: [{ type: 'input_text', text: `Question ${i}` }] }
        : { type: 'assistant_message', content: [{ type: 'output_text', text: `Answer ${i}. ` + 'It has **some** words in it. '.repeat(1 + (i % 7) * 3), annotations: [] }] },
    );
    const thread = mock.addThread('alice', 'Long', items);
    const started = Date.now();
    await page.goto(`${mock.url}/t/${thread.id}`);
    await answers(page).getByText('Answer 9999.').waitFor();
    const shown = Date.now() - started;
    const box = page.getByRole('region', { name: 'Messages' });
    await box.hover();
    await page.mouse.wheel(0, -2000);
    let turns = 0;
    await eventually(
      async () => {
        await page.mouse.wheel(0, -30_000);
        turns++;
        return (await questions(page).getByText('Question 0', { exact: true }).count()) === 1;
      },
      'the first message',
      60_000,
    );
    const elements = await page.evaluate(() => document.querySelectorAll('*').length);
    const scroll = await scrollThrough(page, '.transcript .scroll');
    await say(page, 'and now?');
    const sent = performance.now();
    await answered(page);
    console.log(`     shown after ${shown} ms; all loaded in ${turns} turns of the wheel, ${elements} elements; ${scroll.text}; answered in ${Math.round(performance.now() - sent)} ms`);
    check(shown < 3000 && elements < 4000, 'shown quickly, and little of it');
    check(scroll.p95 < 100 && scroll.empty === 0, `smooth: ${scroll.text}`);
    await picture(page, 'long');
    quiet(page);
  });

  await test('earlier messages come in without a jump', async ({ after }) => {
    const { mock, page } = await begin(after);
    const items = Array.from({ length: 400 }, (_, i) => ({ type: 'assistant_message', content: [{ type: 'output_text', text: `Answer ${i}. ` + 'Words and words. '.repeat(i % 40), annotations: [] }] }));
    const thread = mock.addThread('alice', 'Long', items);
    await page.goto(`${mock.url}/t/${thread.id}`);
    await answers(page).getByText('Answer 399.').waitFor();
    await page.getByRole('region', { name: 'Messages' }).hover();
    await page.evaluate(watchJumps);
    await eventually(
      async () => {
        await page.mouse.wheel(0, -240);
        return (await answers(page).getByText('Answer 0.').count()) === 1;
      },
      'the first message',
      60_000,
    );
    const { worst, frames } = await page.evaluate(() => globalThis.jumps);
    console.log(`     the most that what is looked at moved by itself in ${frames} frames: ${worst} px`);
    check(frames > 50 && worst <= 2, `jumped by ${worst} px`);
    await axe(page, 'scrolled up');
    quiet(page);
  });
}

// watchJumps looks, as each frame is painted, whether a message in view has
// moved by another way than the wheel has moved the view. An intersection
// observer tells where things were when the frame was done, after every
// correction that the page has made before painting it.
function watchJumps() {
  const box = document.querySelector('.transcript .scroll');
  const seen = (globalThis.jumps = { worst: 0, frames: 0 });
  let held;
  let wheel = 0;
  box.addEventListener('wheel', (e) => (wheel += e.deltaY), { passive: true });
  const inView = () => {
    const { top, height } = box.getBoundingClientRect();
    return [...box.querySelectorAll('[data-item]')].find((el) => el.getBoundingClientRect().bottom > top + height / 3);
  };
  const frame = () => {
    const el = held?.el.isConnected ? held.el : inView();
    if (!el) return requestAnimationFrame(frame);
    const observer = new IntersectionObserver(([entry]) => {
      observer.disconnect();
      const { top } = entry.boundingClientRect;
      if (held?.el === el) {
        const moved = top - held.top;
        // The wheel moves it down by at most what was turned, and never up.
        seen.worst = Math.max(seen.worst, Math.round(Math.max(-moved, moved + Math.min(0, wheel))));
        wheel = Math.min(0, wheel + moved);
        seen.frames++;
      }
      held = entry.isIntersecting ? { el, top } : undefined;
      requestAnimationFrame(frame);
    }, { root: box });
    observer.observe(el);
  };
  requestAnimationFrame(frame);
}

// scrollThrough goes from one end of a list to the other and measures each
// frame, and whether the middle of the view was ever empty.
async function scrollThrough(page, selector) {
  const { times, empty } = await page.evaluate(async (selector) => {
    const el = document.querySelector(selector);
    const times = [];
    let empty = 0;
    const steps = 120;
    const far = Math.min(el.scrollHeight, 60_000);
    const from = el.scrollTop;
    const down = from < el.scrollHeight / 2;
    let last = performance.now();
    for (let i = 1; i <= steps; i++) {
      el.scrollTop = from + ((down ? 1 : -1) * far * i) / steps;
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      times.push(performance.now() - last);
      last = performance.now();
      const box = el.getBoundingClientRect();
      const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      if (hit?.classList.contains('chunk') && hit.childElementCount === 0) empty++;
    }
    return { times, empty };
  }, selector);
  times.sort((a, b) => a - b);
  const [median, p95, slowest] = [times[60], times[114], times.at(-1)].map(Math.round);
  return { p95, empty, text: `120 steps of scrolling: median ${median} ms, p95 ${p95} ms, slowest ${slowest} ms, ${empty} times nothing to see` };
}
