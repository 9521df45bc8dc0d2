// The SDK on empty pages: what the page does not use, or what must be looked at from inside.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { framesAdvance, heard, openBare } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { isColour, listen, look, until } from '../../../kit/lab/lib/senses.mjs';
import { startFake } from '../../../kit/lab/lib/fake.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const adapter = path.resolve(import.meta.dirname, '../../../kit/lab/node_modules/webrtc-adapter/out/adapter.js');
let server, browsers, rooms = 0;

// A browser for each side: a page that lies behind another shows few pictures, or none.
before(async () => {
  const extra = ['--use-fake-device-for-media-stream=fps=15,device-count=3'];
  [server, ...browsers] = await Promise.all([startTrefoil(), launchChromium({ extra }), launchChromium({ extra })]);
});
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

/** Two pages in a room of their own; red 400 Hz and blue 1200 Hz are sent unless told otherwise. */
async function pair(t, { prepare = async () => {}, publish = true, url = server.url, options = {} } = {}) {
  const room = `sdk-${++rooms}`, pages = await Promise.all(browsers.map((browser) => browser.page())), ids = [];
  t.after(() => Promise.all(pages.map((page) => page.close())));
  for (const page of pages) {
    await prepare(page);
    await openBare(page, url);
    ids.push(await page.evaluate((o) => T.join(o), { room, name: `P${ids.length}`, ...options }));
  }
  // The second has heard of the first in its answer; the first hears of the second a moment later.
  await until('both know of each other', () => pages[0].evaluate((id) => T.room.participants.some((other) => other.id === id), ids[1]));
  if (publish) await Promise.all([pages[0].evaluate(() => T.publish('red', 400)), pages[1].evaluate(() => T.publish('blue', 1200))]);
  return { a: pages[0], b: pages[1], idA: ids[0], idB: ids[1], room };
}

async function meet(page, other, colour, hz) {
  await until(`${colour} seen`, async (note) => { const seen = await page.evaluate(look, `#v-${other}-camera`); note(seen); return seen.frames > 2 && isColour(seen.colour, colour); });
  await until(`${hz} Hz heard`, async (note) => { const it = await page.evaluate(listen, `#v-${other}-camera`); note(it); return Math.abs(it.hz - hz) < 15 && it.decibel > -70; });
}
async function meetBoth({ a, b, idA, idB }) {
  await meet(a, idB, 'blue', 1200);
  await meet(b, idA, 'red', 400);
}
/** Lets a test see every RTCPeerConnection of a page. */
const watched = (page) => page.addInitScript(() => {
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection { constructor(...args) { super(...args); window.connections.push(this); } };
});
/** Lets a test cut the WebSocket of a page. */
const cuttable = (page) => page.addInitScript(() => {
  window.WebSocket = class extends WebSocket { constructor(...args) { super(...args); window.socket = this; } };
});

test('it works with webrtc-adapter loaded before it', async (t) => {
  const it = await pair(t, { prepare: (page) => page.addInitScript({ path: adapter }) });
  assert.equal(await it.a.evaluate(() => window.adapter.browserDetails.browser), 'chrome');
  await meetBoth(it);
});

test('a client that follows PROTOCOL.md and knows nothing of the SDK is seen, heard and answered', async (t) => {
  const [a, b] = await Promise.all(browsers.map((browser) => browser.page()));
  t.after(() => Promise.all([a.close(), b.close()]));
  await Promise.all([openBare(a, server.url), openBare(b, server.url)]);
  await a.evaluate(async () => { await T.join({ room: 'plain' }); T.publish('red', 400); });
  await b.evaluate(async () => {
    const ask = await fetch('/v1/join', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"room":"plain"}' });
    const { token, signalling_url, ice_servers } = await ask.json();
    const socket = new WebSocket(signalling_url), pc = new RTCPeerConnection({ iceServers: ice_servers }), made = T.make('blue', 1200);
    const video = Object.assign(document.createElement('video'), { id: 'plain', autoplay: true, srcObject: new MediaStream() });
    document.body.append(video);
    pc.ontrack = ({ track }) => video.srcObject.addTrack(track);
    socket.onopen = () => socket.send(JSON.stringify({ type: 'join', version: 1, token }));
    socket.onmessage = async ({ data: text }) => {
      const { type, from, data } = JSON.parse(text), say = (what) => socket.send(JSON.stringify({ type: 'signal', to: from, data: what }));
      if (type !== 'signal') return;
      for (const candidate of data.candidates ?? []) await pc.addIceCandidate(candidate);
      if (data.description?.type !== 'offer') return;
      pc.onicecandidate = ({ candidate }) => { if (candidate) say({ candidate }); };
      await pc.setRemoteDescription(data.description);
      if (!pc.getSenders().some(({ track }) => track)) for (const track of Object.values(made)) pc.addTrack(track);
      await pc.setLocalDescription();
      say({ description: pc.localDescription });
    };
  });
  const other = await until('somebody there', () => a.evaluate(() => T.room.participants[0]?.id));
  await meet(a, other, 'blue', 1200);
  await until('red seen', async () => isColour((await b.evaluate(look, '#plain')).colour, 'red'));
});

test('tracks that both sides publish and take back at the same moment all arrive', async (t) => {
  const it = await pair(t);
  await meetBoth(it);
  const both = (fn) => Promise.all([it.a.evaluate(fn), it.b.evaluate(fn)]);
  for (let round = 0; round < 4; round++) {
    await both(() => { window.extra = T.room.publish(T.make('lime', 800).camera, { source: 'slides' }); });
    await Promise.all([framesAdvance(it.a, it.idB, 'slides'), framesAdvance(it.b, it.idA, 'slides')]);
    await both(() => T.room.unpublish(window.extra));
    for (const page of [it.a, it.b]) await until('the slides gone', () => page.evaluate(() => !document.querySelector('[id$=slides]')));
  }
  await meetBoth(it);
});

test('an m= section is used again, so that sharing a screen twenty times adds two at most', async (t) => {
  const it = await pair(t, { prepare: watched, publish: false });
  await it.a.evaluate(() => T.publish('red', 400));
  await framesAdvance(it.b, it.idA);
  for (let round = 0; round < 20; round++) {
    await it.a.evaluate(() => { window.extra = T.room.publish(T.make('lime', 800).camera, { source: 'screen' }); });
    await until('the screen', () => it.b.evaluate(() => Boolean(document.querySelector('[id$=screen]'))));
    await it.a.evaluate(() => T.room.unpublish(window.extra));
    await until('the screen gone', () => it.b.evaluate(() => !document.querySelector('[id$=screen]')));
  }
  assert.ok(await it.a.evaluate(() => window.connections[0].getTransceivers().length) <= 4);
});

test('text and bytes go over the data channel to one or to all, in order', async (t) => {
  const { a, b, idA, idB } = await pair(t, { publish: false });
  await a.evaluate(async (to) => {
    await T.room.sendData('one', to);
    await T.room.sendData(new Uint8Array([1, 2, 255]));
    for (let n = 0; n < 200; n++) await T.room.sendData(String(n));
  }, idB);
  await until('all of it', () => b.evaluate(() => T.data.length === 202));
  const got = await b.evaluate(() => T.data);
  assert.deepEqual(got.slice(0, 2), [[idA, 'one'], [idA, [1, 2, 255]]]);
  assert.deepEqual(got.slice(2).map(([, text]) => text), [...Array(200).keys()].map(String));
  assert.equal(await a.evaluate(() => T.room.sendData(new Uint8Array(10_000_000)).catch((error) => error.code)), 'too_large');
  assert.equal(await a.evaluate(() => T.room.sendData('x', 'p_nobody').catch((error) => error.code)), 'no_channel');
});

test('a file sent with the SDK alone arrives with the same SHA-256', async (t) => {
  const { a, b, idB } = await pair(t, { publish: false });
  const sent = a.evaluate(async (to) => {
    const bytes = new Uint8Array(4_000_000);
    for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    await until(() => T.room.connectionState(to) === 'connected');
    const transfer = T.room.sendFile(new File([bytes], 'x.bin'), to);
    await transfer.done;
    return T.sdk.sha256(bytes);
    async function until(ready) { while (!ready()) await new Promise((next) => T.room.once('connection', next)); }
  }, idB);
  await until('the offer', () => b.evaluate(() => T.files.length === 1));
  const got = await b.evaluate(async () => T.sdk.sha256(new Uint8Array(await (await T.files[0].accept()).arrayBuffer())));
  assert.equal(got, await sent);
});

test('a broken WebSocket resumes: the same person, the picture never stops, what was said meanwhile arrives once', async (t) => {
  const it = await pair(t, { prepare: cuttable });
  await meetBoth(it);
  await it.a.evaluate(() => { T.events.length = 0; window.socket.close(); });
  await heard(it.a, 'state');
  await it.b.evaluate(() => T.room.sendMessage('meanwhile'));
  await it.a.evaluate(() => T.room.sendMessage('from the dark'));
  assert.equal((await heard(it.a, 'message')).detail.data, 'meanwhile');
  assert.equal((await heard(it.b, 'message')).detail.data, 'from the dark');
  await it.a.evaluate(() => T.room.sendMessage('after'));
  await until('the last word', () => it.b.evaluate(() => T.events.some(({ type, detail }) => type === 'message' && detail.data === 'after')));
  const events = await it.b.evaluate(() => T.events.filter(({ type }) => type === 'message').map(({ detail }) => detail.data));
  assert.deepEqual(events, ['from the dark', 'after']);
  assert.equal(await it.a.evaluate(() => T.room.me.id), it.idA);
  assert.equal(await it.b.evaluate(() => T.events.some(({ type }) => type === 'participantLeft')), false);
  await meetBoth(it);
});

test('a change of network restarts ICE and the picture goes on', async (t) => {
  const it = await pair(t, { prepare: watched });
  await meetBoth(it);
  const fragment = () => it.a.evaluate(() => /a=ice-ufrag:(\S+)/.exec(window.connections[0].localDescription.sdp)[1]);
  const before = await fragment();
  await it.a.evaluate(() => window.dispatchEvent(new Event('online')));
  await until('new ICE credentials', async () => (await fragment()) !== before);
  await until('connected', () => it.a.evaluate(() => window.connections[0].iceConnectionState === 'connected' || window.connections[0].iceConnectionState === 'completed'));
  await framesAdvance(it.a, it.idB);
  await framesAdvance(it.b, it.idA);
  assert.equal(await it.a.evaluate(() => window.connections.length), 1);
});

test('ICE servers are asked for again when three quarters of their life are over, and applied', async (t) => {
  // Real credentials last a minute at least.
  const fake = await startFake({ iceTtlSeconds: 1, iceServers: (nth) => [{ urls: 'turn:127.0.0.1:9', username: `u${nth}`, credential: 'c' }] });
  t.after(() => fake.stop());
  const it = await pair(t, { prepare: watched, publish: false, url: fake.url });
  const name = () => it.a.evaluate(() => window.connections[0]?.getConfiguration().iceServers[0].username);
  const first = await until('a first name', name);
  await until('a new name', async () => (await name()) !== first);
});

test('a session that the server has lost is joined afresh, and both see and hear each other again', async (t) => {
  const fake = await startFake();
  t.after(() => fake.stop());
  const it = await pair(t, { url: fake.url });
  await meetBoth(it);
  fake.forget();
  fake.cut();
  const ids = await Promise.all([it.a, it.b].map((page, n) => until('a new id', () => page.evaluate((old) => T.room.me.id !== old && T.room.me.id, n ? it.idB : it.idA))));
  await until('both there', async () => (await it.a.evaluate(() => T.room.participants.length)) === 1 && (await it.b.evaluate(() => T.room.participants.length)) === 1);
  await meetBoth({ ...it, idA: ids[0], idB: ids[1] });
});

test('a moderator mutes, demotes, locks and removes; others are refused', async (t) => {
  const moderated = await startTrefoil({ config: '[server.rooms]\nguest_role = "moderator"\n' });
  t.after(() => moderated.stop());
  const it = await pair(t, { url: moderated.url });
  await meetBoth(it);
  await it.a.evaluate((id) => T.room.mute(id, { audio: true }), it.idB);
  assert.equal((await heard(it.b, 'mutedBy')).detail.from, it.idA);
  assert.deepEqual(await it.b.evaluate(() => T.room.publications.map((p) => [p.source, p.muted])), [['camera', false], ['microphone', true]]);
  await until('the mark', () => it.a.evaluate(() => T.room.participants[0].muted.audio));
  await it.a.evaluate((id) => T.room.setRole(id, 'viewer'), it.idB);
  await until('nothing is sent any more', () => it.b.evaluate(() => T.room.publications.length === 0 && T.room.me.role === 'viewer'));
  assert.equal(await it.b.evaluate(() => T.room.publishCamera().catch((error) => error.code)), 'forbidden');
  await it.b.evaluate(() => T.room.lock(true));
  await heard(it.b, 'refused', 'forbidden');
  await it.a.evaluate(() => T.room.lock(true));
  await until('locked for both', () => it.b.evaluate(() => T.room.state.locked));
  await it.a.evaluate((id) => T.room.kick(id), it.idB);
  await heard(it.b, 'closed', 'kicked');
  await heard(it.a, 'participantLeft');
  const again = await it.b.evaluate((room) => T.sdk.join({ room, storage: null }).catch((error) => error.code), it.room);
  assert.equal(again, 'room_locked');
});

test('another camera can be chosen during a call, and the picture goes on', async (t) => {
  const { a, b, idA } = await pair(t, { publish: false });
  await a.evaluate(async () => { window.camera = await T.room.publishCamera({ constraints: { width: 320, height: 240 } }); });
  await framesAdvance(b, idA);
  const [was, is] = await a.evaluate(async () => {
    const was = window.camera.deviceId, { cameras } = await T.sdk.listDevices();
    // The second fake camera measures depth and shows nothing that can be sent.
    await window.camera.switchDevice(cameras.find(({ deviceId, label }) => deviceId !== was && !label.includes('_1')).deviceId);
    return [was, window.camera.deviceId];
  });
  assert.notEqual(is, was);
  await framesAdvance(b, idA);
});

test('a camera that does not exist is an error with a code', async (t) => {
  const { a } = await pair(t, { publish: false });
  assert.equal(await a.evaluate(() => T.room.publishCamera({ constraints: { deviceId: { exact: 'none' } } }).catch((error) => error.code)), 'device_not_found');
});

test('stats name the path, the round trip and every track', async (t) => {
  const it = await pair(t);
  await meetBoth(it);
  const stats = await until('rates', async () => { const all = await it.a.evaluate(() => T.room.stats()); return all[it.idB]?.sendKbps > 0 && all[it.idB].receiveKbps > 0 && all[it.idB]; });
  assert.equal(stats.route, 'direct');
  assert.ok(stats.roundTripMs >= 0);
  assert.deepEqual(stats.tracks.map(({ kind, direction }) => `${direction} ${kind}`).sort(), ['receive audio', 'receive video', 'send audio', 'send video']);
  assert.ok(stats.tracks.every(({ codec }) => codec));
});
