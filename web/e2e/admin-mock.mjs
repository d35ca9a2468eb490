// A stand-in for the admin API, from memory: a log of conversations that are
// made up from a seed, and projections that do as they are told. `npm run
// mock:admin` serves it; the browser test starts it in-process and steers it
// through the object that startAdminMock returns.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const dist = process.env.DIST ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const actions = ['rebuild', 'cancel', 'pause', 'resume', 'retry', 'skip', 'rollback'];

let counter = 0;
const id = (prefix) => `${prefix}_06f${(++counter).toString(36).padStart(9, '0')}`;
const uuid = () => `00000000-0000-5000-8000-${(++counter).toString(16).padStart(12, '0')}`;

/** Starts a mock; options: port, events (how many at least), development. */
export async function startAdminMock(options = {}) {
  const mock = {
    development: options.development ?? true,
    log: [],
    streams: new Map(),
    steps: new Map(), // by stream
    states: new Map(), // by stream: the parts by id
    followers: new Set(), // of the log
    watchers: new Set(), // of the projections
    projections: [projection('tasks'), projection('threads'), projection('turns')],
    refusals: [], // {match: (req, url) => boolean, status, code, message, stays?}
    hold: undefined, // while a promise: answers to reads wait for it
    orders: [], // what was done to projections: [name, action, body]
    requests: [],
    sockets: new Set(),
    appends: 0,
  };
  mock.clock = Date.now() - 3_600_000;
  mock.append = (stream, type, data, meta = {}, summary = '', change) => append(mock, stream, type, data, meta, summary, change);
  mock.say = (user, thread, text, calls) => say(mock, user, thread, text, calls);
  mock.tell = () => {
    const frame = `event: states\ndata: ${JSON.stringify({ data: mock.projections })}\n\n`;
    for (const res of mock.watchers) res.write(frame);
  };
  converse(mock);
  while (mock.log.length < (options.events ?? 0)) bulk(mock);
  mock.server = createServer((req, res) => {
    handle(mock, req, res).catch((err) => {
      console.error(err);
      if (!res.headersSent) fail(res, 500, 'internal', 'internal error');
      res.destroy();
    });
  });
  mock.server.on('connection', (socket) => {
    mock.sockets.add(socket);
    socket.on('close', () => mock.sockets.delete(socket));
  });
  mock.start = (port) => new Promise((resolve) => mock.server.listen(port, '127.0.0.1', resolve));
  await mock.start(options.port ?? 0);
  mock.port = mock.server.address().port;
  mock.url = `http://127.0.0.1:${mock.port}/admin`;
  mock.down = () =>
    new Promise((resolve) => {
      mock.server.close(resolve);
      for (const socket of mock.sockets) socket.destroy();
    });
  mock.close = () => mock.down();
  return mock;
}

// ---- the log

function append(mock, stream, type, data, meta, summary, change) {
  const events = mock.streams.get(stream) ?? [];
  mock.streams.set(stream, events);
  mock.clock = Math.min(Date.now(), mock.clock + 40);
  const event = {
    position: String(mock.log.length + 1),
    stream,
    revision: events.length,
    type,
    id: uuid(),
    time: new Date(mock.clock).toISOString(),
    data,
    metadata: { ...meta, recorded_at: new Date(mock.clock).toISOString() },
    summary,
    ...(meta.$causationId && { cause: meta.$causationId }),
  };
  mock.log.push(event);
  events.push(event);
  mock.appends++;
  if (change) {
    const state = mock.states.get(stream) ?? new Map();
    mock.states.set(stream, state);
    const [subject, after, cause] = change;
    const steps = mock.steps.get(stream) ?? [];
    steps.push({ event, subject, before: state.get(subject) ?? null, after, ...(cause && { cause }) });
    mock.steps.set(stream, steps);
    if (after === null) state.delete(subject);
    else state.set(subject, after);
  }
  const frame = `id: ${event.position}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`;
  for (const follower of mock.followers) if (follower.wants(event)) follower.res.write(frame);
  return event;
}

const traces = new Map(); // by request: the tree

// say is one turn: a message, tool calls with their effects, an answer.
function say(mock, user, thread, text, calls) {
  const stream = `thread-${thread}`;
  const request = id('req');
  const turn = id('trn');
  const message = id('msg');
  const meta = { $correlationId: request, user_id: user };
  const by = { ...meta, $causationId: turn };
  const at = () => new Date(mock.clock).toISOString();
  const because = { request, thread, message, text, turn };
  const item = (fields) => ({ thread_id: thread, created_at: at(), ...fields });
  const first = !mock.streams.has(stream);
  const node = (kind, nodeId, title, rest = {}) => ({ kind, id: nodeId, title, start: at(), ...rest });
  const root = node('request', request, `request of ${user} in ${thread}`, { events: [], children: [] });
  const begun = mock.clock;
  if (first) root.events.push(append(mock, stream, 'thread.created.v1', { thread_id: thread, user_id: user }, meta, `thread of ${user}`, ['thread', { id: thread, title: '', created_at: at() }, because]));
  const asked = item({ id: message, type: 'user_message', content: [{ type: 'input_text', text }] });
  const said = node('message', message, text, { events: [append(mock, stream, 'item.added.v1', { item: asked }, meta, `user: ${text}`, [message, asked, because])], children: [] });
  root.children.push(said);
  const started = append(mock, stream, 'turn.started.v1', { turn_id: turn, trigger: 'message', model: 'offline' }, by, 'turn started', ['thread', mock.states.get(stream).get('thread'), because]);
  const turnNode = node('turn', turn, 'completed', { events: [started], children: [], duration_ms: 0 });
  said.children.push(turnNode);
  const model = node('model', 'offline', 'offline, 412 tokens in, 38 out', { children: [], detail: { model: 'offline', usage: { input_tokens: 412, output_tokens: 38 }, answers: 2 } });
  turnNode.children.push(model);
  for (const { name, args, effect } of calls) {
    const call = id('call');
    const did = { ...meta, $causationId: call };
    const tool = node('tool', call, `${name} ${JSON.stringify(args)}`, { events: [append(mock, stream, 'tool.called.v1', { turn_id: turn, call_id: call, name, arguments: args }, by, `${name} ${JSON.stringify(args)}`, ['thread', mock.states.get(stream).get('thread'), because])], children: [] });
    model.children.push(tool);
    const happened = effect && effect(mock, user, did, { ...because, call, tool: name });
    if (happened) tool.children.push(node('event', happened.id, happened.summary, { events: [happened] }));
    tool.events.push(append(mock, stream, 'tool.returned.v1', { turn_id: turn, call_id: call, output: { success: true } }, by, `${name} returned`, ['thread', mock.states.get(stream).get('thread'), because]));
    tool.duration_ms = 80;
    tool.detail = { name, arguments: args, output: { success: true } };
  }
  const answer = item({ id: id('msg'), type: 'assistant_message', content: [{ type: 'output_text', text: calls.length > 0 ? 'Done.' : 'Nothing is left.', annotations: [] }] });
  append(mock, stream, 'item.added.v1', { item: answer }, by, `answer: ${answer.content[0].text}`, [answer.id, answer, because]);
  turnNode.duration_ms = mock.clock - begun + 300;
  model.duration_ms = turnNode.duration_ms - 30;
  root.duration_ms = turnNode.duration_ms + 40;
  turnNode.events.push(append(mock, stream, 'turn.completed.v1', { turn_id: turn, usage: { input_tokens: 412, output_tokens: 38 }, model: 'offline', duration_ms: turnNode.duration_ms }, by, `completed in ${turnNode.duration_ms} ms`, ['thread', mock.states.get(stream).get('thread'), because]));
  traces.set(request, root);
  return { request, turn, message };
}

const taskEvent = (type, change) => (title) => (mock, user, meta, cause) => {
  const stream = `user-${user}`;
  const at = new Date(mock.clock).toISOString();
  const old = [...(mock.states.get(stream)?.values() ?? [])].find((task) => task.title === title);
  const task = change(old ?? { id: id('tsk'), title, status: 'pending', completed: false, created_at: at, updated_at: at }, at);
  return append(mock, stream, type, { task_id: (task ?? old).id, title }, meta, `${type.split('.')[1]} “${title}”`, [(task ?? old).id, task, cause]);
};
export const added = taskEvent('task.added.v1', (task) => ({ ...task, due_at: new Date(Date.now() + 86_400_000).toISOString(), tags: ['home'] }));
export const completed = taskEvent('task.completed.v1', (task, at) => ({ ...task, status: 'completed', completed: true, completed_at: at, updated_at: at }));
export const deleted = taskEvent('task.deleted.v1', () => null);

function converse(mock) {
  const call = (name, effect, title) => ({ name, args: { title }, effect: effect(title) });
  mock.say('alice', 'thr_groceries', 'add buy milk tomorrow, and call Anna', [call('add_task', added, 'buy milk'), call('add_task', added, 'call Anna')]);
  mock.say('bob', 'thr_rome', 'add book the flight to Rome', [call('add_task', added, 'book the flight to Rome')]);
  mock.say('alice', 'thr_groceries', 'what is left?', [{ name: 'list_tasks', args: { status: 'pending' } }]);
  mock.say('alice', 'thr_groceries', 'done with the milk', [call('complete_task', completed, 'buy milk')]);
  added('water the plants')(mock, 'alice', { $correlationId: id('req'), user_id: 'alice' }, { request: 'req_byhand' });
  mock.say('alice', 'thr_groceries', 'forget the plants', [call('delete_task', deleted, 'water the plants')]);
  append(mock, 'audit-operator', 'audit.read.v1', { what: 'events' }, { user_id: 'operator' }, 'operator read events');
  for (const p of mock.projections) p.position = p.head = String(mock.log.length);
}

// bulk appends one event that costs little to make.
function bulk(mock) {
  const n = mock.log.length;
  append(mock, `user-u${n % 500}`, 'task.added.v1', { task_id: `tsk_${n}`, title: `Task ${n}` }, { user_id: `u${n % 500}` }, `added “Task ${n}”`);
}

// ---- the answers

function fail(res, status, code, message) {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: { code, message, request_id: id('req') } }));
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
  const body = await readBody(req);
  if (url.pathname === '/auth/dev-token') {
    if (!mock.development) return fail(res, 404, 'not_found', 'not found');
    return reply(res, { token: `${body.roles?.includes('admin') ? 'admin' : 'user'}-${body.user}`, user: body.user, expires_at: new Date(Date.now() + 3_600_000).toISOString() });
  }
  const refused = mock.refusals.findIndex((r) => r.match(req, url));
  if (refused >= 0) {
    const [r] = mock.refusals[refused].stays ? [mock.refusals[refused]] : mock.refusals.splice(refused, 1);
    return fail(res, r.status, r.code, r.message);
  }
  if (url.pathname === '/metrics') return res.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' }).end(metrics(mock));
  if (url.pathname === '/health') return reply(res, mock.health ?? { status: 'ok', checks: { event_store: { status: 'ok', duration_ms: 1 }, projections: { status: 'ok', duration_ms: 0 } } });
  if (!url.pathname.startsWith('/api/v1/admin/')) return page(url.pathname, res);

  mock.requests.push({ method: req.method, path: url.pathname, query: url.searchParams, headers: req.headers, body });
  const [, role] = /^Bearer (admin|user)-/.exec(req.headers.authorization ?? '') ?? [];
  if (!role) return fail(res, 401, 'unauthorized', 'a valid token is needed');
  if (role !== 'admin') return fail(res, 403, 'forbidden', 'this needs the role admin, which your token does not have: ask for one that has it');
  if (mock.hold) await mock.hold;
  const path = url.pathname.slice('/api/v1/admin/'.length).split('/').map(decodeURIComponent);
  const query = url.searchParams;
  const live = req.headers.accept === 'text/event-stream';
  switch (path[0]) {
    case 'events':
      return live ? followLog(mock, query, req, res) : listLog(mock, query, res);
    case 'replay':
      return replay(mock, query, res);
    case 'trace':
      return trace(path[1], res);
    case 'projections':
      if (req.method === 'POST') return act(mock, path[1], path[2], body, res);
      return watch(mock, res);
  }
  fail(res, 404, 'not_found', 'there is no such address');
}

async function page(path, res) {
  const wanted = path === '/admin' ? '/admin.html' : path === '/' ? '/index.html' : path;
  try {
    const content = await readFile(join(dist, normalize(wanted)));
    res.writeHead(200, { 'Content-Type': types[extname(wanted)] ?? 'application/octet-stream', 'Content-Security-Policy': csp, 'X-Content-Type-Options': 'nosniff' }).end(content);
  } catch {
    fail(res, 404, 'not_found', 'not found');
  }
}

function selector(query) {
  const kinds = query.getAll('type');
  const stream = query.get('stream') ?? (query.has('user') ? `user-${query.get('user')}` : query.has('thread') ? `thread-${query.get('thread')}` : undefined);
  const within = (name, value, inside) => !query.has(name) || inside(value, query.get(name));
  return (event) =>
    (!stream || event.stream === stream) &&
    (kinds.length === 0 || kinds.includes(event.type)) &&
    within('from', Number(event.position), (p, v) => p >= Number(v)) &&
    within('to', Number(event.position), (p, v) => p <= Number(v)) &&
    within('since', event.time, (t, v) => Date.parse(t) >= Date.parse(v)) &&
    within('until', event.time, (t, v) => Date.parse(t) < Date.parse(v));
}

function listLog(mock, query, res) {
  const wants = selector(query);
  const limit = Number(query.get('limit') ?? 100);
  const after = Number(query.get('after') ?? 0);
  const data = [];
  let i = after > 0 ? after - 2 : mock.log.length - 1;
  for (; i >= 0 && data.length < limit; i--) if (wants(mock.log[i])) data.push(mock.log[i]);
  while (i >= 0 && !wants(mock.log[i])) i--;
  reply(res, { data, has_more: i >= 0, ...(data.length > 0 && { after: data.at(-1).position }), head: String(mock.log.length) });
}

function open(res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  res.write(': ok\n\n');
}

function followLog(mock, query, req, res) {
  for (const name of ['to', 'until', 'order', 'limit']) if (query.has(name)) return fail(res, 400, 'invalid', `${name} is not for the live log, which has no end`);
  open(res);
  const wants = selector(query);
  const last = Number(req.headers['last-event-id'] ?? 0);
  for (const event of mock.log.slice(last)) if (wants(event)) res.write(`id: ${event.position}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`);
  const follower = { res, wants };
  mock.followers.add(follower);
  res.on('close', () => mock.followers.delete(follower));
}

function replay(mock, query, res) {
  const stream = query.has('user') ? `user-${query.get('user')}` : `thread-${query.get('thread')}`;
  const all = mock.steps.get(stream);
  if (!all) return fail(res, 404, 'not_found', 'not found');
  const upTo = all.slice(0, Number(query.get('revision') ?? all.length - 1) + 1);
  if (query.get('steps') === 'true') {
    const from = Number(query.get('after') ?? -1) + 1;
    const steps = upTo.slice(from, from + Number(query.get('limit') ?? 100));
    const more = from + steps.length < upTo.length;
    return reply(res, { stream, position: '0', steps, ...(more && { has_more: true }), ...(steps.length > 0 && { after: steps.at(-1).event.revision }) });
  }
  const { event } = upTo.at(-1);
  const state = upTo.length === all.length ? mock.states.get(stream) : stateAfter(upTo);
  const parts = [...state].filter(([key]) => key !== 'thread').map(([, part]) => part);
  reply(res, {
    stream,
    revision: event.revision,
    position: event.position,
    time: event.time,
    ...(query.has('user') ? { tasks: parts.reverse() } : { thread: state.get('thread'), items: parts }),
  });
}

function stateAfter(steps) {
  const state = new Map();
  for (const { subject, after } of steps) {
    if (after) state.set(subject, after);
    else state.delete(subject);
  }
  return state;
}

function trace(wanted, res) {
  const holds = (node) => node.id === wanted || node.events?.some((e) => e.id === wanted) || node.children?.some(holds);
  const root = [...traces.values()].find(holds);
  if (!root) return fail(res, 404, 'not_found', `the log knows no event, request, turn, tool call, item or task with the id “${wanted}”`);
  reply(res, root);
}

// ---- projections and figures

function projection(name) {
  return { name, version: 1, generation: 3, state: 'running', position: '0', head: '0', lag_events: 0, lag_seconds: 0, rate: 0 };
}

function watch(mock, res) {
  open(res);
  res.write(`event: states\ndata: ${JSON.stringify({ data: mock.projections })}\n\n`);
  mock.watchers.add(res);
  res.on('close', () => mock.watchers.delete(res));
}

function act(mock, name, action, body, res) {
  if (!actions.includes(action)) return fail(res, 404, 'not_found', 'there is no such action');
  mock.orders.push([name, action, body]);
  mock.act?.(name, action, body);
  reply(res, {}, action === 'rebuild' ? 202 : 200);
}

function metrics(mock) {
  const n = mock.appends;
  const jitter = Math.random();
  return [
    '# HELP chatkitd_embedded_appends_total Appends by result.',
    '# TYPE chatkitd_embedded_appends_total counter',
    `chatkitd_embedded_appends_total{result="ok"} ${n + Math.floor(Date.now() / 50)}`,
    'chatkitd_embedded_appends_total{result="conflict"} 3',
    ...histogram('chatkitd_embedded_append_seconds', '', [0.001, 0.002, 0.004], Math.floor(Date.now() / 40)),
    ...histogram('chatkitd_actors_turn_duration_seconds', 'end="completed",', [0.5, 1, 2], Math.floor(Date.now() / 4000)),
    `chatkitd_actors_live{kind="thread"} ${40 + Math.floor(jitter * 8)}`,
    'chatkitd_actors_live{kind="user"} 12',
    `chatkitd_actors_turns ${Math.floor(jitter * 4)}`,
    `chatkitd_http_open_streams ${mock.followers.size + mock.watchers.size}`,
    `chatkitd_http_requests_total{method="GET",route="/",status="2xx"} ${mock.requests.length}`,
    `process_resident_memory_bytes ${Math.round((60 + jitter) * 2 ** 20)}`,
    '',
  ].join('\n');
}

function histogram(name, labels, bounds, count) {
  const shares = [0.7, 0.96, 1];
  return [...bounds.map((le, i) => `${name}_bucket{${labels}le="${le}"} ${Math.floor(count * shares[i])}`), `${name}_bucket{${labels}le="+Inf"} ${count}`, `${name}_sum ${count}`, `${name}_count ${count}`];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const mock = await startAdminMock({ port: Number(process.env.PORT ?? 8001), events: Number(process.env.EVENTS ?? 2000) });
  setInterval(() => bulk(mock), 1500);
  console.log(`mock of the operator's page on ${mock.url}`);
}
