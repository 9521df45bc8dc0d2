// npm's socket.io-client 1, 2, 3 and 4 at the Socket.IO door, over polling, over a WebSocket, and from one to the other.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const require = createRequire(path.resolve(import.meta.dirname, '../../../kit/lab/package.json'));
const VERSIONS = [1, 2, 3, 4], WAYS = { polling: ['polling'], WebSocket: ['websocket'], upgrade: ['polling', 'websocket'] };
let server;

before(async () => { server = await startTrefoil(); });
after(() => server?.stop());

/** A client of that version, and a way to wait for its events, in their order. */
function open(t, version, transports, query = {}) {
  const io = require(`socket.io-client-${version}`), socket = (io.io ?? io)(server.url, { transports, query, forceNew: true, reconnection: false });
  t.after(() => socket.close());
  const heard = [], waiting = [];
  const tell = (event) => { heard.push(event); waiting.shift()?.(); };
  for (const name of ['created', 'joined', 'join', 'ready', 'full', 'message', 'bye', 'photo']) socket.on(name, (...args) => tell([name, ...args.filter((one) => typeof one !== 'function')]));
  const next = async () => {
    if (!heard.length) {
      await new Promise((done, failed) => {
        waiting.push(done);
        setTimeout(() => failed(new Error(`client ${version} heard nothing more`)), 20_000).unref();
      });
    }
    return heard.shift();
  };
  const connected = new Promise((done, failed) => {
    socket.on('connect', done);
    for (const event of ['connect_error', 'error']) socket.on(event, (error) => failed(new Error(`client ${version}: ${JSON.stringify(error?.message ?? error)}`)));
  });
  return { socket, next, connected };
}

for (const [way, transports] of Object.entries(WAYS)) {
  for (const version of VERSIONS) {
    test(`client ${version} over ${way} creates a room, and another version joins it`, async (t) => {
      const room = `${way}-${version}`, other = VERSIONS[version % 4];
      const ann = open(t, version, transports), bob = open(t, other, transports);
      await Promise.all([ann.connected, bob.connected]);
      ann.socket.emit('create or join', room);
      const [event, named, id] = await ann.next();
      assert.deepEqual([event, named], ['created', room]);
      assert.equal(id, ann.socket.id);
      bob.socket.emit('create or join', room);
      assert.equal((await bob.next())[0], 'joined');
      assert.deepEqual(await bob.next(), ['ready', room]);
      assert.deepEqual(await ann.next(), ['join', room]);
      assert.deepEqual(await ann.next(), ['ready', room]);
      // Version 1 encodes texts twice when it polls, which no server can tell from version 2.
      const word = way === 'polling' && [version, other].includes(1) ? 'hello' : 'héllo 😀';
      const offer = { type: 'offer', sdp: `v=0\r\n${`${word} `.repeat(500)}` };
      ann.socket.emit('message', offer);
      const [, heard] = await bob.next();
      assert.ok(heard.type === offer.type && heard.sdp === offer.sdp, `${heard.sdp?.slice(0, 30)}...`);
      bob.socket.emit('message', word);
      assert.deepEqual(await ann.next(), ['message', word]);
      bob.socket.close();
      assert.deepEqual(await ann.next(), ['message', 'bye']);
      assert.deepEqual(await ann.next(), ['bye']);
      assert.equal((await ann.next())[0], 'created');
    });
  }
}

for (const version of VERSIONS) {
  test(`client ${version} sends bytes and is answered`, async (t) => {
    for (const transports of [['polling'], ['websocket']]) {
      const room = `bytes-${version}-${transports}`, ann = open(t, version, transports), bob = open(t, 4, transports);
      await Promise.all([ann.connected, bob.connected]);
      const answer = await new Promise((done) => ann.socket.emit('create or join', room, done));
      assert.equal(answer, 'created');
      assert.equal(await new Promise((done) => bob.socket.emit('create or join', room, done)), 'joined');
      ann.socket.emit('photo', { name: 'a', bytes: Buffer.from([1, 2, 255]) }, 7);
      let event;
      do event = await bob.next(); while (event[0] !== 'photo');
      assert.deepEqual([event[1].name, [...Buffer.from(event[1].bytes)], event[2]], ['a', [1, 2, 255], 7]);
      bob.socket.emit('photo', Buffer.from([9]));
      do event = await ann.next(); while (event[0] !== 'photo');
      assert.deepEqual([...Buffer.from(event[1])], [9]);
      ann.socket.close();
      bob.socket.close();
    }
  });
}

test('a room that is full says so to every version', async (t) => {
  const all = [...VERSIONS, 4].map((version) => open(t, version, ['websocket']));
  await Promise.all(all.map(({ connected }) => connected));
  for (const [n, { socket, next }] of all.entries()) {
    socket.emit('create or join', 'crowd');
    assert.equal((await next())[0], ['created', 'joined', 'full', 'full', 'full'][n]);
  }
});
