// Negotiating with the media server, with connections that only pretend.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Receiving } from '../../sdk/receiving.js';
import { Sending } from '../../sdk/sending.js';

const settled = () => new Promise(setImmediate);

/** As much of RTCPeerConnection as is asked for. */
class FakeConnection extends EventTarget {
  static all = [];
  connectionState = 'new'; localDescription = null; transceivers = []; restarts = 0; offers = 0; remote = [];
  constructor() { super(); FakeConnection.all.push(this); }
  addTransceiver(what, { direction, sendEncodings }) {
    const sender = {
      track: what, encodings: sendEncodings.map((e) => ({ active: true, ...e })),
      replaceTrack: async (track) => { sender.track = track; }, getParameters: () => ({ encodings: structuredClone(sender.encodings) }),
      setParameters: async ({ encodings }) => { sender.encodings = encodings; },
    };
    const pc = this, transceiver = { sender, mid: null, currentDirection: null, get direction() { return direction; }, set direction(is) { direction = is; pc.need(); } };
    this.transceivers.push(transceiver);
    this.need();
    return transceiver;
  }
  need() { setImmediate(() => this.onnegotiationneeded?.()); }
  getTransceivers() { return this.transceivers; }
  createDataChannel(label, init) { return { label, ...init }; }
  restartIce() { this.restarts++; this.need(); }
  async setLocalDescription() {
    this.offers++;
    this.transceivers.forEach((t, n) => { t.mid ??= String(n); });
    this.localDescription = { type: 'offer', sdp: `v=0 ${this.offers}` };
  }
  async setRemoteDescription(description) {
    this.remoteDescription = description;
    if (this.connectionState === 'closed') throw new Error('closed');
    this.remote.push(description.sdp);
    if (description.type === 'offer') this.transceivers = ['s0', 's8'].map((mid) => ({ mid, receiver: { track: { mid } } }));
  }
  close() { this.connectionState = 'closed'; }
  become(state) { this.connectionState = state; this.onconnectionstatechange?.(); this.dispatchEvent(new Event('connectionstatechange')); }
}

function begin(t) {
  FakeConnection.all = [];
  globalThis.RTCPeerConnection = FakeConnection;
  globalThis.RTCRtpSender = {};
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(console, 'warn', () => {});
  return { said: [], tick: async (ms) => { await settled(); t.mock.timers.tick(ms); await settled(); } };
}
const publication = (source, kind = 'video') => ({ source, kind, track: { kind, getSettings: () => ({ width: 1280 }) } });

/** A sending side with a camera; `answer` answers its last offer. */
async function sending(t) {
  const it = begin(t), sends = new Sending((message) => it.said.push(message), {}), camera = publication('camera');
  t.after(() => sends.close());
  sends.publish(camera);
  await settled();
  const answer = (...tracks) => sends.published({ sdp: 'answer', tracks: tracks.map(([mid, track]) => ({ mid, track })) });
  return { ...it, sends, camera, answer, pc: () => FakeConnection.all.at(-1) };
}

test('whom something is for is said with it, each time that it is offered', async (t) => {
  const { said, sends, answer, pc, tick } = await sending(t), board = publication('whiteboard', 'audio');
  await answer(['0', 't_1']);
  sends.publish(board, ['p_b']);
  await settled();
  const notes = [{ mid: '0', source: 'camera' }, { mid: '1', source: 'whiteboard', to: ['p_b'] }];
  assert.deepEqual(said[1].tracks, notes);
  await answer(['0', 't_1'], ['1', 't_2']);
  const before = pc();
  sends.renew();
  await tick(5000);
  assert.notEqual(pc(), before);
  assert.deepEqual(said.at(-1).tracks, notes);
});

test('what is published is offered once, and what comes meanwhile after the answer', async (t) => {
  const { said, sends, answer, pc } = await sending(t);
  assert.deepEqual(said, [{ type: 'publish', sdp: 'v=0 1', tracks: [{ mid: '0', source: 'camera' }] }]);
  sends.publish(publication('screen-audio', 'audio'));
  await settled();
  assert.equal(said.length, 1, 'one offer at a time');
  await answer(['0', 't_1']);
  await settled();
  assert.deepEqual(said[1].tracks, [{ mid: '0', source: 'camera' }, { mid: '1', source: 'screen_audio' }]);
  assert.equal(FakeConnection.all.length, 1);
  assert.deepEqual(pc().remote, ['answer']);
});

test('encodings follow what is needed of their track', async (t) => {
  const { sends, answer, pc } = await sending(t);
  await answer(['0', 't_1']);
  const active = () => pc().transceivers[0].sender.encodings.filter((e) => e.active).map(({ rid }) => rid).join('');
  sends.needed({ track: 't_1', any: true, rids: ['q'] });
  sends.needed({ track: 't_other', any: false, rids: [] });
  await settled();
  assert.equal(active(), 'q');
  sends.needed({ track: 't_1', any: false, rids: [] });
  sends.needed({ track: 't_1', any: true, rids: ['q', 'f'] });
  await settled();
  assert.equal(active(), 'qf');
});

test('an m= section is used again by what is of its shape, and by nothing else', async (t) => {
  const { sends, camera, answer, pc } = await sending(t);
  await answer(['0', 't_1']);
  sends.unpublish(camera);
  assert.equal(pc().transceivers[0].direction, 'inactive');
  sends.publish(publication('screen'));
  sends.publish(publication('camera'));
  assert.equal(pc().transceivers.length, 2);
  assert.equal(pc().transceivers[0].direction, 'sendonly');
});

test('what the server has lost is not what it has not seen yet', async (t) => {
  const { said, sends, answer, pc, tick } = await sending(t), first = pc();
  sends.lost();
  await tick(60_000);
  assert.equal(pc(), first);
  await answer(['0', 't_1']);
  sends.lost();
  await tick(500);
  assert.notEqual(pc(), first);
  assert.equal(said.length, 2);
});

test('a lost connection is begun anew after a while, and an answer to the old one is ignored', async (t) => {
  const { said, sends, answer, pc, tick } = await sending(t), old = pc();
  sends.renew();
  await tick(500);
  assert.notEqual(pc(), old);
  assert.equal(old.connectionState, 'closed');
  assert.equal(said.length, 2);
  await answer(['0', 't_1']);
  assert.deepEqual([old.remote, pc().remote], [[], []]);
  await answer(['0', 't_2']);
  assert.deepEqual(pc().remote, ['answer']);
});

test('an offer that was being made when the connection was lost is not waited for', async (t) => {
  const { said, sends, answer, pc, tick } = await sending(t);
  await answer(['0', 't_1']);
  pc().setLocalDescription = () => new Promise(() => {});
  sends.publish(publication('screen'));
  await settled();
  sends.renew();
  await tick(500);
  assert.equal(said.length, 2);
  await answer(['0', 't_2'], ['1', 't_3']);
  assert.deepEqual(pc().remote, ['answer']);
});

test('a lost connection on which nothing is published any more stays away', async (t) => {
  const { said, sends, camera, tick } = await sending(t);
  sends.unpublish(camera);
  sends.renew();
  await tick(60_000);
  assert.equal(FakeConnection.all.length, 1);
  assert.equal(said.length, 1);
});

test('what is refused is tried again, more and more seldom; what is forbidden is not', async (t) => {
  const { said, sends, tick } = await sending(t);
  for (const ms of [500, 1000, 2000, 4000]) {
    const before = said.length;
    sends.refused({ code: 'unusable_sdp', of: 'publish' });
    await tick(ms - 1);
    assert.equal(said.length, before);
    await tick(1);
    assert.equal(said.length, before + 1);
  }
  sends.refused({ code: 'forbidden', of: 'publish' });
  await tick(60_000);
  assert.equal(said.length, 5);
});

test('a path that fails is restarted, and replaced where that does not help', async (t) => {
  const { sends, answer, pc, tick } = await sending(t), first = pc();
  await answer(['0', 't_1']);
  first.become('connected');
  first.become('disconnected');
  await tick(2_999);
  assert.equal(first.restarts, 0);
  await tick(1);
  assert.equal(first.restarts, 1);
  first.become('failed');
  await tick(9_999);
  assert.equal(pc(), first);
  await tick(1);
  await tick(500);
  assert.notEqual(pc(), first);
  sends.close();
});

/** A receiving side that has asked. */
async function receiving(t) {
  const it = begin(t), receives = new Receiving((message) => it.said.push(message), {}, { video: 25 }), tracks = [];
  t.after(() => receives.close());
  receives.on('tracks', (now) => tracks.push([...now.keys()]));
  receives.begin();
  return { ...it, receives, tracks, pc: () => FakeConnection.all.at(-1) };
}

test('places are asked for, the offer is answered, and the receivers are told by mid', async (t) => {
  const { said, receives, tracks, pc } = await receiving(t);
  assert.deepEqual(said, [{ type: 'subscribe', audio_slots: undefined, video_slots: 25 }]);
  await receives.offered('offer');
  assert.deepEqual(pc().remote, ['offer']);
  assert.equal(said[1].type, 'answer');
  assert.deepEqual(tracks, [['s0', 's8']]);
});

test('a restart keeps the connection, and one that is asked for meanwhile follows', async (t) => {
  const { said, receives, pc } = await receiving(t);
  await receives.offered('first');
  const first = pc();
  receives.restart();
  assert.deepEqual(said[2], { type: 'subscribe', restart: true });
  receives.restart();
  await receives.offered('again');
  assert.equal(pc(), first);
  assert.deepEqual(first.remote, ['first', 'again']);
  assert.deepEqual(said.slice(3).map(({ type }) => type), ['answer', 'subscribe']);
});

test('a connection that the server has lost is begun anew, also in the middle of a restart', async (t) => {
  const { said, receives, pc, tick } = await receiving(t);
  await receives.offered('first');
  const first = pc();
  receives.restart();
  receives.renew();
  await tick(500);
  await receives.offered('again');
  assert.equal(pc(), first);
  assert.deepEqual(said.at(-1), { type: 'subscribe', audio_slots: undefined, video_slots: 25 });
  await receives.offered('anew');
  assert.notEqual(pc(), first);
  assert.equal(first.connectionState, 'closed');
});

test('a loss that is told while another connection is asked for changes nothing', async (t) => {
  const { said, receives, tick } = await receiving(t);
  receives.lost();
  await tick(60_000);
  assert.equal(said.length, 1);
  await receives.offered('offer');
  receives.lost();
  await tick(500);
  assert.equal(said.at(-1).type, 'subscribe');
});

test('who may not receive does not ask again, but who is refused for another reason does', async (t) => {
  const { said, receives, tick } = await receiving(t);
  receives.refused({ of: 'subscribe', code: 'no_media_server' });
  await tick(500);
  assert.equal(said.length, 2);
  receives.refused({ of: 'subscribe', code: 'forbidden' });
  await tick(60_000);
  assert.equal(said.length, 2);
});

test('a sender waits for the first channel, and gets none from what is closed', async (t) => {
  const { receives } = await receiving(t), reliable = receives.channel(true), lossy = receives.channel(false);
  await receives.offered('offer');
  assert.deepEqual([(await reliable).id, (await lossy).id, (await lossy).ordered], [0, 1, false]);
  receives.close();
  assert.equal(await receives.channel(true), null);
});
