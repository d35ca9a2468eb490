import { answered, answers, axe, chats, check, equal, eventually, look, message, open, questions, quiet, say, task, taskPane, test } from './browser.mjs';
import { startMock } from './mock.mjs';

async function begin(after, options) {
  const mock = await startMock({ delay: 2, ...options });
  after(mock.close);
  const page = await open();
  return { mock, page };
}

const chat = (page, name) => chats(page).getByRole('link', { name, exact: true });
const hi = { type: 'user_message', content: [{ type: 'input_text', text: 'hi' }] };
const reply = (text) => ({ type: 'assistant_message', content: [{ type: 'output_text', text, annotations: [] }] });
const group = (page, name) => taskPane(page).getByRole('region', { name: new RegExp(`^${name}`) });
const inDays = (days, hour = 0) => {
  const at = new Date();
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days, hour).toISOString();
};

export async function lists() {
  await test('chats: rename, delete with Undo, delete for good, back and forward', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.addThread('alice', 'Rome', [hi, reply('To Rome.')]);
    mock.addThread('alice', 'Groceries', [hi, reply('Of milk.')]);
    await page.goto(mock.url);
    await chat(page, 'Rome').click();
    await answers(page).getByText('To Rome.').waitFor();
    equal(await page.title(), 'Rome · chatkitd', 'title');
    await chat(page, 'Groceries').click();
    await answers(page).getByText('Of milk.').waitFor();
    await page.goBack();
    await answers(page).getByText('To Rome.').waitFor();
    await page.goForward();
    await answers(page).getByText('Of milk.').waitFor();

    await chat(page, 'Groceries').press('F2');
    await page.getByRole('textbox', { name: 'Title of the chat' }).fill('Food');
    await page.getByRole('textbox', { name: 'Title of the chat' }).press('Enter');
    await chat(page, 'Food').waitFor();
    await page.getByRole('heading', { level: 2, name: 'Food' }).waitFor();
    equal(mock.requests.filter((r) => r.body?.type === 'threads.update').map((r) => r.body.params.title), ['Food'], 'renamed to');
    await chat(page, 'Food').press('F2');
    await page.getByRole('textbox', { name: 'Title of the chat' }).fill('Not this');
    await page.getByRole('textbox', { name: 'Title of the chat' }).press('Escape');
    await chat(page, 'Food').waitFor();

    await chat(page, 'Food').hover();
    await page.getByRole('button', { name: 'Delete Food' }).click();
    await page.getByText('Deleted “Food”').waitFor();
    equal(await chat(page, 'Food').count(), 0, 'shown');
    await page.getByRole('heading', { name: 'What is on your mind?' }).waitFor();
    await axe(page, 'undo');
    await page.getByRole('button', { name: 'Undo' }).click();
    await chat(page, 'Food').waitFor();
    await answers(page).getByText('Of milk.').waitFor();
    equal(mock.requests.filter((r) => r.body?.type === 'threads.delete').length, 0, 'requests to delete');

    await chat(page, 'Rome').press('Delete');
    await eventually(() => mock.requests.some((r) => r.body?.type === 'threads.delete'), 'the request after five seconds');
    await chat(page, 'Food').press('Delete');
    await page.goto('about:blank');
    await eventually(() => mock.user('alice').threads.size === 0, 'leaving the page deletes at once');
    quiet(page);
  });

  await test('chats are paged, newest first', async ({ after }) => {
    const { mock, page } = await begin(after);
    for (let i = 1; i <= 200; i++) mock.addThread('alice', `Chat ${i}`);
    await page.goto(mock.url);
    await chat(page, 'Chat 200').waitFor();
    check(mock.requests.filter((r) => r.body?.type === 'threads.list').length <= 3, 'only what is needed is loaded');
    await chats(page).locator('.scroll').hover();
    await eventually(async () => {
      await page.mouse.wheel(0, 3000);
      return (await chat(page, 'Chat 1').count()) === 1;
    }, 'the oldest comes as one scrolls');
    quiet(page);
  });

  await test('tasks: groups, checkbox, title in place, filter, search', async ({ after }) => {
    const { mock, page } = await begin(after);
    mock.putTask('alice', { title: 'late', due_at: inDays(-1) });
    mock.putTask('alice', { title: 'now', due_at: inDays(0) });
    mock.putTask('alice', { title: 'soon', due_at: inDays(1), tags: ['home'], priority: 'high' });
    mock.putTask('alice', { title: 'far', due_at: inDays(9) });
    mock.putTask('alice', { title: 'never' });
    mock.putTask('alice', { title: 'old', completed: true, status: 'completed', completed_at: inDays(-2) });
    await page.goto(mock.url);
    await task(page, 'late').waitFor();
    equal(
      (await taskPane(page).locator('h3').allInnerTexts()).map((t) => t.replace(/\s+/g, ' ').trim()),
      ['Overdue 1', 'Today 1', 'Tomorrow 1', 'Later 1', 'No date 1', 'Done 1'],
      'groups',
    );
    equal(await task(page, 'old').count(), 0, 'done tasks shown while folded');
    await taskPane(page).getByRole('button', { name: /Done/, expanded: false }).click();
    await task(page, 'old').waitFor();
    await look(page, 'groups');

    await task(page, 'now').getByRole('checkbox').focus();
    await page.keyboard.press('Space');
    await group(page, 'Done').getByText('now').waitFor();
    await eventually(() => page.evaluate(() => document.activeElement.getAttribute('aria-label') === 'Done: soon'), 'focus goes to the next one');
    await eventually(() => [...mock.user('alice').tasks.values()].find((t) => t.title === 'now').completed, 'completed at the server');

    await task(page, 'never').getByRole('button', { name: 'never', exact: true }).click();
    await page.getByRole('textbox', { name: 'Title of the task' }).fill('some day');
    await page.getByRole('textbox', { name: 'Title of the task' }).press('Enter');
    await task(page, 'some day').waitFor();
    await eventually(() => [...mock.user('alice').tasks.values()].some((t) => t.title === 'some day'), 'renamed at the server');

    await taskPane(page).getByRole('button', { name: 'Done', exact: true }).click();
    equal(await taskPane(page).getByRole('listitem').count(), 2, 'done tasks');
    await taskPane(page).getByRole('button', { name: 'Open', exact: true }).click();
    equal(await taskPane(page).getByRole('listitem').count(), 4, 'open tasks');
    await taskPane(page).getByRole('button', { name: 'All', exact: true }).click();
    const search = page.getByRole('searchbox', { name: 'Search tasks' });
    await search.fill('#home');
    equal(await taskPane(page).getByRole('listitem').count(), 1, 'tasks with the tag');
    await search.fill('nothing like it');
    await page.getByText('No task matches').waitFor();
    await search.press('Escape');
    await task(page, 'far').waitFor();
    quiet(page);
  });

  await test('tasks: the drawer changes every field', async ({ after }) => {
    const { mock, page } = await begin(after);
    const { id } = mock.putTask('alice', { title: 'buy milk' });
    const saved = () => mock.user('alice').tasks.get(id);
    await page.goto(mock.url);
    await task(page, 'buy milk').hover();
    await page.getByRole('button', { name: 'Details of buy milk' }).click();
    const drawer = page.getByRole('dialog', { name: 'Task: buy milk' });
    await drawer.getByLabel('Description').fill('Whole, two litres.');
    await drawer.getByLabel('Tags').fill('home, #errands');
    await drawer.getByText('High').click();
    await drawer.getByLabel('Due').fill('2030-05-06');
    await drawer.getByLabel('Due').blur();
    await eventually(() => saved().due_at, 'the date is saved');
    await drawer.getByLabel('Time').fill('09:30');
    await drawer.getByLabel('Time').blur();
    await eventually(() => new Date(saved().due_at).getHours() === 9, 'the time is saved');
    equal([saved().description, saved().tags, saved().priority], ['Whole, two litres.', ['home', 'errands'], 'high'], 'saved');
    await look(page, 'drawer');
    mock.putTask('alice', { ...saved(), description: 'Changed elsewhere.' });
    await eventually(async () => (await drawer.getByLabel('Description').inputValue()) === 'Changed elsewhere.', 'what changes elsewhere shows');
    await drawer.getByLabel('Due').fill('');
    await drawer.getByLabel('Description').fill('');
    await drawer.getByText('None').click();
    await drawer.getByLabel('Tags').fill('');
    await drawer.getByLabel('Tags').blur();
    await eventually(() => !('due_at' in saved()) && !('description' in saved()) && !('priority' in saved()) && !('tags' in saved()), 'all cleared');
    await drawer.getByLabel('Title').fill('buy oat milk');
    await page.keyboard.press('Escape');
    await task(page, 'buy oat milk').waitFor();
    await eventually(() => saved().title === 'buy oat milk', 'Escape saves what was written');
    await eventually(() => page.evaluate((more) => document.activeElement.id === more, `more-${id}`), 'focus is back');

    await page.getByRole('button', { name: 'Details of buy oat milk' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No tasks yet').waitFor();
    await page.keyboard.press('u');
    await task(page, 'buy oat milk').waitFor();
    check(mock.requests.every((r) => r.method !== 'DELETE'), 'nothing was deleted');
    await task(page, 'buy oat milk').getByRole('button', { name: 'buy oat milk', exact: true }).press('Delete');
    await eventually(() => !saved(), 'deleted in the end');
    quiet(page);
  });

  await test('tasks follow what another window does; nothing is shown twice', async ({ after }) => {
    const { mock, page } = await begin(after);
    const other = await open();
    await page.goto(mock.url);
    await other.goto(mock.url);
    await page.getByText('No tasks yet').waitFor();
    await other.getByText('No tasks yet').waitFor();
    for (const title of ['one', 'two', 'three']) {
      await page.getByRole('textbox', { name: 'Add a task' }).fill(title);
      await page.getByRole('textbox', { name: 'Add a task' }).press('Enter');
    }
    await task(other, 'three').waitFor();
    equal([await taskPane(page).getByRole('listitem').count(), await taskPane(other).getByRole('listitem').count()], [3, 3], 'tasks');
    await task(other, 'two').getByRole('checkbox').click();
    await taskPane(page).getByRole('button', { name: /Done 1/ }).waitFor();
    await task(other, 'one').getByRole('button', { name: 'one', exact: true }).press('Delete');
    await task(page, 'one').waitFor({ state: 'detached' });
    quiet(page);
    quiet(other);
  });

  await test('another user sees nothing of it', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(mock.url);
    await say(page, 'add buy milk tomorrow, and call Anna');
    await answered(page);
    const url = page.url();
    await page.getByRole('button', { name: /Signed in as alice/ }).click();
    await look(page, 'switch-user');
    await page.getByLabel('Be somebody else').fill('bob');
    await page.getByRole('button', { name: 'Switch', exact: true }).click();
    await page.getByRole('button', { name: /Signed in as bob/ }).waitFor();
    await page.getByText('No tasks yet').waitFor();
    await page.getByText('No chats yet').waitFor();
    await page.goto(url);
    await page.getByText('There is no such chat').waitFor();
    await page.reload();
    await page.getByRole('button', { name: /Signed in as bob/ }).waitFor();
    const alice = await open();
    await alice.goto(mock.url);
    await task(alice, 'buy milk').waitFor();
    quiet(page);
  });

  await test('another window goes on in the same chat: seen when this one is looked at', async ({ after }) => {
    const { mock, page } = await begin(after);
    await page.goto(mock.url);
    await say(page, 'what is left?');
    await answered(page);
    const other = await open();
    await other.goto(page.url());
    await questions(other).getByText('what is left?').waitFor();
    await say(other, 'add call Anna');
    await answered(other);
    await new Promise((resolve) => setTimeout(resolve, 3100)); // the page looks at most every three seconds
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await questions(page).getByText('add call Anna').waitFor();
    await message(page).waitFor();
    quiet(page);
    quiet(other);
  });
}
