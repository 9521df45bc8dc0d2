// The signalling client against a server that drops, refuses and forgets.
import test from 'node:test';
import assert from 'node:assert/strict';
import { WebSocket, startFake } from '../../../kit/lab/lib/fake.mjs';
import { Signalling } from '../../sdk/signalling.js';

const hello = (name, room = 'r') => () => ({ token: Buffer.from(JSON.stringify({ identity: name, name, room })).toString('base64url') });
const next = (source, type, wanted = () => true) => new Promise((done) => {
  const off = source.on(type, (detail) => { if (wanted(detail)) { off(); done(detail); } });
});

/** A fake server and a way to join it; all is closed when the test ends. */
async function room(t, options) {
  const fake = await startFake(options), open = [];
  t.after(async () => { for (const s of open) s.leave(); await fake.stop(); });
  const enter = async (name, more) => {
    const signalling = new Signalling({ url: `${fake.url.replace('http', 'ws')}v1/signal`, hello: hello(name), WebSocket, ...more });
    open.push(signalling);
    return [signalling, await signalling.open()];
  };
  return { fake, enter };
}

test('a message reaches the others once and in order', async (t) => {
  const { enter } = await room(t);
  const [ann] = await enter('ann'), [bob] = await enter('bob');
  const heard = [];
  const last = next(bob, 'message', (m) => { if (m.type === 'message') heard.push(m.data); return m.data === 49; });
  for (let n = 0; n < 50; n++) ann.send({ type: 'message', data: n });
  await last;
  assert.deepEqual(heard, [...Array(50).keys()]);
});

test('a broken connection resumes: what either side said meanwhile arrives once and in order', async (t) => {
  const { fake, enter } = await room(t);
  const [ann, first] = await enter('ann'), [bob] = await enter('bob');
  const heard = [];
  const last = next(bob, 'message', (m) => { if (m.type === 'message') heard.push(m.data); return m.data === 'end'; });
  ann.send({ type: 'message', data: 'before' });
  const lost = next(ann, 'state', (s) => s === 'reconnecting'), back = next(ann, 'joined');
  fake.cut();
  await lost;
  ann.send({ type: 'message', data: 'during' });
  const joined = await back;
  ann.send({ type: 'message', data: 'end' });
  await last;
  assert.equal(joined.resumed, true);
  assert.equal(joined.you, first.you);
  assert.deepEqual(heard, ['before', 'during', 'end']);
});

test('a session that the server lost is joined afresh with a new id', async (t) => {
  const { fake, enter } = await room(t);
  const [ann, first] = await enter('ann');
  const back = next(ann, 'joined');
  fake.forget(); fake.cut();
  const joined = await back;
  assert.equal(joined.resumed, false);
  assert.notEqual(joined.you, first.you);
});

test('a server that is silent for two heartbeats counts as a broken connection', async (t) => {
  const { enter } = await room(t, { heartbeatSeconds: 0.05 });
  let deaf = false;
  class Deaf extends WebSocket { emit(type, ...rest) { return (deaf && type === 'message') || super.emit(type, ...rest); } }
  const [ann] = await enter('ann', { WebSocket: Deaf });
  const lost = next(ann, 'state', (s) => s === 'reconnecting');
  deaf = true;
  await lost;
  deaf = false;
  assert.equal((await next(ann, 'joined')).resumed, true);
});

test('a refused join rejects with the code and is not tried again', async (t) => {
  const { fake, enter } = await room(t, { refuse: (m) => (m.type === 'join' ? 'room_full' : null) });
  await assert.rejects(enter('ann'), { name: 'TrefoilError', code: 'room_full' });
  assert.equal(fake.sessions.size, 0);
});

test('a refusal of anything else is told and the connection stays', async (t) => {
  const { enter } = await room(t, { refuse: (m) => (m.type === 'lock' ? 'forbidden' : null) });
  const [ann] = await enter('ann');
  const told = next(ann, 'message', (m) => m.type === 'refused');
  ann.send({ type: 'lock', locked: true });
  assert.equal((await told).code, 'forbidden');
});

test('the second seat of one identity ends the first with `replaced`', async (t) => {
  const { enter } = await room(t);
  const [ann] = await enter('ann');
  const out = next(ann, 'closed');
  await enter('ann');
  assert.equal((await out).code, 'replaced');
});

test('a server that cannot be reached rejects with `network`', async () => {
  const fake = await startFake();
  await fake.stop();
  const signalling = new Signalling({ url: fake.url.replace('http', 'ws'), hello: hello('ann'), WebSocket });
  await assert.rejects(signalling.open(), { code: 'network' });
});

test('a server that stays away ends the session with `network` after the time allowed', async (t) => {
  const { fake, enter } = await room(t);
  const [ann] = await enter('ann', { reconnectSeconds: 0.2 });
  const out = next(ann, 'closed');
  await fake.stop();
  assert.equal((await out).code, 'network');
});

test('more messages than the server would keep make the session a new one', async (t) => {
  const { fake, enter } = await room(t);
  const [ann] = await enter('ann');
  const lost = next(ann, 'state', (s) => s === 'reconnecting'), back = next(ann, 'joined');
  fake.cut();
  await lost;
  for (let n = 0; n < 300; n++) ann.send({ type: 'message', data: n });
  assert.equal((await back).resumed, false);
});

test('the server may forget its copies: pings say how much has arrived', async (t) => {
  const { fake, enter } = await room(t, { heartbeatSeconds: 0.05 });
  const [ann] = await enter('ann'), [bob] = await enter('bob');
  const arrived = next(bob, 'message', (m) => m.data === 'x');
  ann.send({ type: 'message', data: 'x' });
  await arrived;
  await fake.pinged((ping, session) => session.state.name === 'bob' && ping.received === 1);
});

test('whoever is sent away together with all others comes back when they were told to, and after the next break as usual', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const sockets = [];
  class Socket { constructor() { sockets.push(this); } send() {} close() {} }
  const ann = new Signalling({ url: 'ws://x', hello: () => ({}), WebSocket: Socket });
  t.after(() => ann.leave());
  const opened = ann.open(), say = (message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  await sockets[0].onopen();
  say({ type: 'joined', resumed: false, you: 'p_a', resume: { token: 'r' } });
  await opened;
  say({ type: 'left', reason: 'server_stopping', retry_after_ms: 3000 });
  sockets[0].onclose({ code: 1001 });
  t.mock.timers.tick(3100);
  assert.equal(sockets.length, 1);
  t.mock.timers.tick(200);
  assert.equal(sockets.length, 2);
  sockets[1].onclose({ code: 1006 });
  t.mock.timers.tick(600);
  assert.equal(sockets.length, 3);
});
