// A stand-in for chatkitd that speaks the same contract from memory, for
// developing the page and for the states of failure that a healthy server does
// not show. `npm run mock` serves it; the browser test starts it in-process and
// steers it through the object that startMock returns.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

let counter = 0;
const id = (prefix) => `${prefix}_${(++counter).toString(36).padStart(8, '0')}${Math.random().toString(36).slice(2, 14)}`;
const now = () => new Date().toISOString();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts a mock; options: port, development, delay (ms per word). */
export async function startMock(options = {}) {
  const mock = {
    development: options.development ?? true,
    delay: options.delay ?? 25,
    /** One-time refusals: {match: (req, body) => boolean, status, code, message, retryAfter}. */
    refusals: [],
    /** How the next turns go: {text?, steps?, error?, cutAfter?, die?, reasoning?, notice?}. */
    scripts: [],
    validTokens: undefined, // a Set where only these are good
    hold: undefined, // while a promise: answers to queries wait for it
    halt: undefined, // {word, until}: answers wait for the promise before that word
    head: 1_000_000, // the position of the last event; of the live list it is a smaller one
    users: new Map(),
    sockets: new Set(),
    requests: [],
  };
  mock.user = (name) => {
    if (!mock.users.has(name)) {
      mock.users.set(name, { threads: new Map(), tasks: new Map(), log: [], watchers: new Set() });
    }
    return mock.users.get(name);
  };

  const server = createServer((req, res) => {
    handle(mock, req, res).catch((err) => {
      console.error(err);
      if (!res.headersSent) fail(res, 500, 'internal', 'internal error');
      res.destroy();
    });
  });
  server.on('connection', (socket) => {
    mock.sockets.add(socket);
    socket.on('close', () => mock.sockets.delete(socket));
  });
  mock.start = (port) => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await mock.start(options.port ?? 0);
  mock.port = server.address().port;
  mock.url = `http://127.0.0.1:${mock.port}`;
  /** Cuts every connection, as a crash or a lost network does. */
  mock.cut = () => mock.sockets.forEach((socket) => socket.destroy());
  /** Stops listening and cuts; start(port) brings it back. */
  mock.down = () =>
    new Promise((resolve) => {
      server.close(resolve);
      mock.cut();
    });
  /** A crash: running turns are gone, as after a restart. */
  mock.forgetTurns = () => {
    for (const user of mock.users.values()) {
      for (const thread of user.threads.values()) {
        if (thread.turn) thread.turn.dead = true;
        thread.turn = undefined;
      }
    }
  };
  mock.putTask = (name, task) => put(mock.user(name), task);
  mock.addThread = (name, title, items = []) => addThread(mock.user(name), title, items);
  mock.close = () => mock.down();
  return mock;
}

function fail(res, status, code, message, retryAfter) {
  const headers = { 'Content-Type': 'application/json' };
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter);
  res.writeHead(status, headers).end(JSON.stringify({ error: { code, message, request_id: id('req') } }));
}

function reply(res, value, status = 200) {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

async function readBody(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : JSON.parse(text);
}

async function handle(mock, req, res) {
  const url = new URL(req.url, 'http://mock');
  if (url.pathname === '/auth/dev-token') {
    const body = await readBody(req);
    if (!mock.development) return fail(res, 404, 'not_found', 'not found');
    const token = `test-token-${body.user}`;
    return reply(res, { token, user: body.user, expires_at: new Date(Date.now() + 3_600_000).toISOString() });
  }
  if (!url.pathname.startsWith('/api/')) return page(url.pathname, res);

  const body = await readBody(req);
  mock.requests.push({ method: req.method, path: url.pathname, headers: req.headers, body });
  const bearer = /^Bearer (test-token-|a\.)(.+)$/.exec(req.headers.authorization ?? '');
  const good = bearer && (!mock.validTokens || mock.validTokens.has(req.headers.authorization.slice(7)));
  if (!good) return fail(res, 401, 'unauthorized', 'a valid token is needed');
  const at = mock.refusals.findIndex((r) => r.match(req, body, url));
  if (at >= 0) {
    const [refusal] = mock.refusals[at].stays ? [mock.refusals[at]] : mock.refusals.splice(at, 1);
    if (refusal.drop) return req.socket.destroy();
    if (refusal.wait) await refusal.wait;
    if (refusal.status) return fail(res, refusal.status, refusal.code, refusal.message, refusal.retryAfter);
  }
  const name = bearer[1] === 'a.' ? JSON.parse(Buffer.from(bearer[2].split('.')[0], 'base64url')).sub : bearer[2];
  const user = mock.user(name);
  // A log whose positions count the requests that may change something.
  if (Number(req.headers['x-chatkitd-position'] ?? 0) > mock.head) return fail(res, 400, 'unknown_position', 'it lies past the end of the log');
  if (req.method !== 'GET') res.setHeader('X-ChatKitd-Position', String(++mock.head));
  if (url.pathname.startsWith('/api/v1/tasks')) return tasks(mock, user, req, res, url, body);
  if (url.pathname === '/api/v1/chatkit') return chatkit(mock, user, res, body);
  const match = /^\/api\/v1\/chatkit\/threads\/([^/]+)\/(stream|cancel)$/.exec(url.pathname);
  const thread = match && user.threads.get(decodeURIComponent(match[1]));
  if (!thread) return fail(res, 404, 'not_found', 'not found');
  if (match[2] === 'cancel') {
    if (thread.turn) thread.turn.cancelled = true;
    while (thread.turn) await sleep(5);
    return reply(res, {});
  }
  if (!thread.turn) return res.writeHead(204).end();
  const [turn, n] = (req.headers['last-event-id'] ?? '').split(':');
  return attach(thread.turn, turn === thread.turn.id ? Number(n) : 0, res);
}

async function page(path, res) {
  const wanted = path === '/' || path.startsWith('/t/') ? '/index.html' : path;
  try {
    const content = await readFile(join(dist, normalize(wanted)));
    res.writeHead(200, {
      'Content-Type': types[extname(wanted)] ?? 'application/octet-stream',
      'Content-Security-Policy': csp,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': wanted.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    res.end(content);
  } catch {
    fail(res, 404, 'not_found', 'not found');
  }
}

// ---- chat

const wireThread = (thread, items = { data: [], has_more: false }) => ({
  id: thread.id,
  ...(thread.title && { title: thread.title }),
  created_at: thread.created_at,
  status: { type: 'active' },
  metadata: {},
  items,
});

function addThread(user, title, items) {
  const thread = { id: id('thr'), title, created_at: now(), items: [], turn: undefined };
  thread.items = items.map((item) => ({ id: id(item.type === 'user_message' ? 'msg' : 'itm'), thread_id: thread.id, created_at: now(), ...item }));
  user.threads.set(thread.id, thread);
  return thread;
}

function pageOf(list, params) {
  const ordered = params.order === 'asc' ? list : [...list].reverse();
  const from = params.after ? ordered.findIndex((x) => x.id === params.after) + 1 : 0;
  const data = ordered.slice(from, from + Math.min(params.limit ?? 20, 100));
  return { data, has_more: from + data.length < ordered.length, ...(data.length > 0 && { after: data.at(-1).id }) };
}

async function chatkit(mock, user, res, body) {
  const { type, params = {} } = body;
  let thread;
  if (params.thread_id) {
    thread = user.threads.get(params.thread_id);
    if (!thread) return fail(res, 404, 'not_found', 'not found');
  }
  if (mock.hold && !type.includes('message') && type !== 'threads.create') await mock.hold;
  switch (type) {
    case 'threads.create':
    case 'threads.add_user_message': {
      if (thread?.turn) return fail(res, 409, 'thread_busy', 'a turn runs in this thread');
      const created = !thread;
      thread ??= addThread(user, undefined, []);
      const item = { id: id('msg'), thread_id: thread.id, created_at: now(), type: 'user_message', ...params.input };
      thread.items.push(item);
      return run(mock, user, thread, item, res, created);
    }
    case 'threads.retry_after_item': {
      if (thread.turn) return fail(res, 409, 'thread_busy', 'a turn runs in this thread');
      const at = thread.items.findIndex((item) => item.id === params.item_id);
      thread.items.length = at + 1;
      return run(mock, user, thread, thread.items[at], res, false, true);
    }
    case 'threads.list':
      return reply(res, mapPage(pageOf([...user.threads.values()], params), (t) => wireThread(t)));
    case 'threads.get_by_id':
      return reply(res, wireThread(thread, pageOf(thread.items, { order: 'asc', limit: 20 })));
    case 'threads.update':
      thread.title = params.title;
      return reply(res, wireThread(thread));
    case 'threads.delete':
      user.threads.delete(thread.id);
      return reply(res, {});
    case 'items.list':
      return reply(res, pageOf(thread.items, params));
    case 'items.feedback':
      return reply(res, {});
  }
  fail(res, 400, 'unsupported_request', `unsupported request ${type}`);
}

const mapPage = (page, fn) => ({ ...page, data: page.data.map(fn) });

function attach(turn, from, res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' });
  res.write(': ok\n\n');
  for (let n = from; n < turn.frames.length; n++) res.write(turn.frames[n]);
  if (turn.ended) return res.end();
  turn.readers.add(res);
  res.on('close', () => turn.readers.delete(res));
}

async function run(mock, user, thread, question, res, created, retried) {
  const script = mock.scripts.shift() ?? understand(user, question.content[0].text);
  const turn = { id: id('turn'), frames: [], readers: new Set(), ended: false, cancelled: false, dead: false };
  thread.turn = turn;
  const send = (event) => {
    if (turn.dead) return;
    const frame = `id: ${turn.id}:${turn.frames.length + 1}\ndata: ${JSON.stringify(event)}\n\n`;
    turn.frames.push(frame);
    for (const reader of turn.readers) reader.write(frame);
    if (script.cutAfter === turn.frames.length) {
      for (const reader of turn.readers) reader.socket.destroy();
      if (script.die) {
        turn.dead = true;
        thread.turn = undefined;
      }
    }
  };
  const base = (prefix) => ({ id: id(prefix), thread_id: thread.id, created_at: now() });
  attach(turn, 0, res);
  if (created) send({ type: 'thread.created', thread: wireThread(thread) });
  if (!retried) send({ type: 'thread.item.done', item: question });
  send({ type: 'stream_options', stream_options: { allow_cancel: true } });
  await answer();
  turn.ended = true;
  mock.head++;
  for (const reader of turn.readers) reader.end(`: position ${mock.head}\n\n`);
  if (thread.turn === turn) thread.turn = undefined;

  async function answer() {
    const done = (item) => {
      if (turn.dead) return;
      thread.items.push(item);
      send({ type: 'thread.item.done', item });
    };
    const pause = async (ms) => {
      for (let left = ms; left > 0 && !turn.cancelled && !turn.dead; left -= 5) await sleep(Math.min(5, left));
      return turn.cancelled || turn.dead;
    };
    if (script.progress) send({ type: 'progress_update', text: script.progress });
    if (await pause(mock.delay * 4)) return;
    for (const [kind, steps] of [['reasoning', script.reasoning], ['custom', script.steps]]) {
      if (!steps) continue;
      const item = { ...base('wf'), type: 'workflow', workflow: { type: kind, tasks: [], expanded: kind === 'reasoning' } };
      send({ type: 'thread.item.added', item: structuredClone(item) });
      for (const [index, step] of steps.entries()) {
        const task = { type: kind === 'reasoning' ? 'thought' : 'custom', ...step };
        send({ type: 'thread.item.updated', item_id: item.id, update: { type: 'workflow.task.added', task_index: index, task: { ...task, content: '', status_indicator: 'loading' } } });
        if (await pause(mock.delay * 8)) return;
        step.effect?.();
        delete task.effect;
        task.status_indicator = 'complete';
        item.workflow.tasks.push(task);
        send({ type: 'thread.item.updated', item_id: item.id, update: { type: 'workflow.task.updated', task_index: index, task } });
      }
      item.workflow.summary = { duration: kind === 'reasoning' ? 2 : 0 };
      item.workflow.expanded = false;
      done(item);
    }
    if (script.notice) send({ type: 'notice', ...script.notice });
    if (script.error && !script.text) return send({ type: 'error', code: 'stream.error', message: script.error, allow_retry: true });
    const item = { ...base('msg'), type: 'assistant_message', content: [] };
    send({ type: 'thread.item.added', item: structuredClone(item) });
    const part = { type: 'output_text', text: '', annotations: [] };
    item.content.push(part);
    send({ type: 'thread.item.updated', item_id: item.id, update: { type: 'assistant_message.content_part.added', content_index: 0, content: { ...part } } });
    for (const [n, word] of (script.text.match(/\s*\S+|\s+$/g) ?? []).entries()) {
      if (mock.halt?.word === n) await mock.halt.until;
      if (await pause(mock.delay)) break;
      part.text += word;
      send({ type: 'thread.item.updated', item_id: item.id, update: { type: 'assistant_message.content_part.text_delta', content_index: 0, delta: word } });
    }
    if (turn.dead) return;
    if (script.error) return send({ type: 'error', code: 'stream.error', message: script.error, allow_retry: true });
    for (const source of script.sources ?? []) part.annotations.push({ type: 'annotation', source });
    if (part.text !== '') done(item);
    if (part.text !== '' && turn.cancelled) done({ ...base('cut'), type: 'task', task: { type: 'custom', title: 'Stopped', status_indicator: 'none' } });
    if (!thread.title && !turn.cancelled) {
      thread.title = question.content[0].text.slice(0, 40);
      send({ type: 'thread.updated', thread: wireThread(thread) });
    }
  }
}

// understand is just enough of an agent to develop the page with.
function understand(user, text) {
  const step = (title, args, result, effect) => ({ title, content: `\`\`\`json\n${args}\n\`\`\`\n\n\`\`\`json\n${result}\n\`\`\``, effect });
  if (/^add /i.test(text)) {
    const titles = text.replace(/^add /i, '').split(/,? and |, /);
    const tomorrow = new Date();
    tomorrow.setDate(tomorrow.getDate() + 1);
    tomorrow.setHours(0, 0, 0, 0);
    const steps = titles.map((raw) => {
      const due = /tomorrow/i.test(raw);
      const title = raw.replace(/ ?tomorrow/i, '').trim();
      return step(`Added “${title}”`, JSON.stringify({ title }), '{"success": true}', () => put(user, { title, ...(due && { due_at: tomorrow.toISOString() }) }));
    });
    return { steps, text: `Done. I added ${titles.map((t) => `**${t.replace(/ ?tomorrow/i, '')}**`).join(' and ')} to your tasks.` };
  }
  const open = [...user.tasks.values()].filter((t) => !t.completed);
  if (/left|open/i.test(text)) {
    return {
      steps: [step(`Looked at your ${open.length} open tasks`, '{"status": "pending"}', `{"total": ${open.length}}`)],
      text: open.length === 0 ? 'Nothing is left. Enjoy your day.' : `You have ${open.length} open:\n\n${open.slice(0, 5).map((t) => `- ${t.title}`).join('\n')}`,
    };
  }
  const finished = /done with (?:the )?(.+)/i.exec(text);
  const task = finished && open.find((t) => t.title.includes(finished[1].replace(/[.!]$/, '')));
  if (task) {
    return {
      steps: [step(`Completed “${task.title}”`, JSON.stringify({ task_id: task.id }), '{"success": true}', () => put(user, { ...task, completed: true, status: 'completed', completed_at: now() }))],
      text: `Good work: **${task.title}** is done.`,
    };
  }
  return { reasoning: [{ title: 'What this is about', content: `The person wrote “${text.slice(0, 80)}”. I cannot do much with that, but I can say what I am good for.` }], text: 'I keep your tasks. Try “Add buy milk tomorrow”, “What is left?” or “Done with the milk”.' };
}

// ---- tasks

function put(user, task) {
  const full = { id: id('tsk'), status: 'pending', completed: false, created_at: now(), ...task, updated_at: now() };
  user.tasks.set(full.id, full);
  tell(user, 'changed', full);
  return full;
}

function tell(user, event, data) {
  const frame = `id: ${user.log.length + 1}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  user.log.push(frame);
  for (const watcher of user.watchers) watcher.write(frame);
}

function counts(user) {
  const all = [...user.tasks.values()];
  const completed = all.filter((t) => t.completed).length;
  return { pending: all.length - completed, completed };
}

async function tasks(mock, user, req, res, url, body) {
  const taskId = decodeURIComponent(url.pathname.slice('/api/v1/tasks/'.length));
  if (req.method === 'GET' && taskId === '') {
    if (mock.hold) await mock.hold;
    if (/text\/event-stream/.test(req.headers.accept ?? '')) {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
      const last = req.headers['last-event-id'];
      if (last === undefined) {
        const data = [...user.tasks.values()];
        res.write(`id: ${user.log.length}\nevent: snapshot\ndata: ${JSON.stringify({ data, total: data.length, ...counts(user) })}\n\n`);
      } else {
        res.write(': ok\n\n');
        for (const frame of user.log.slice(Number(last))) res.write(frame);
      }
      user.watchers.add(res);
      res.on('close', () => user.watchers.delete(res));
      return;
    }
    const limit = Number(url.searchParams.get('limit') ?? 50);
    const found = pageOf([...user.tasks.values()], { limit, after: url.searchParams.get('after') });
    return reply(res, { ...found, total: user.tasks.size, ...counts(user) });
  }
  if (req.method === 'POST') return reply(res, put(user, { title: body.title }), 201);
  const task = user.tasks.get(taskId);
  if (!task) return fail(res, 404, 'not_found', 'not found');
  if (req.method === 'PATCH') {
    const next = { ...task, ...body };
    for (const key of Object.keys(next)) if (next[key] === null) delete next[key];
    if (body.completed !== undefined) {
      next.status = body.completed ? 'completed' : 'pending';
      if (body.completed) next.completed_at = now();
      else delete next.completed_at;
    }
    return reply(res, put(user, next));
  }
  if (req.method === 'DELETE') {
    user.tasks.delete(taskId);
    tell(user, 'removed', { id: taskId });
    return res.writeHead(204).end();
  }
  fail(res, 405, 'method_not_allowed', 'method not allowed');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const mock = await startMock({ port: Number(process.env.PORT ?? 8000), delay: 40 });
  console.log(`mock of chatkitd on ${mock.url}`);
}
