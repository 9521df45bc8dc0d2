// What stands behind a room that goes through the server, as far as it needs no browser.
import test from 'node:test';
import assert from 'node:assert/strict';
import { encodingsFor, only, pause } from '../../sdk/encodings.js';
import { unwrap, wrap } from '../../sdk/parcel.js';
import { receptionOf } from '../../sdk/reception.js';
import { slender, withSilenceSuppressed } from '../../sdk/sdp.js';
import { Slots } from '../../sdk/slots.js';
import { View } from '../../sdk/view.js';

const camera = (id, muted = false) => ({ id, kind: 'video', source: 'camera', muted });
/** The receivers of a connection, by mid. */
const receivers = (name) => new Map(['s0', 's8', 's9'].map((mid) => [mid, { name: `${name} ${mid}` }]));
const shown = (slots) => Object.fromEntries(slots.shown.map(({ participant, published, track }) => [`${participant} ${published.id}`, track.name]));

test('a track is shown when it is published and has a place, in whichever order that is told', () => {
  const one = new Slots(), other = new Slots(), tracks = receivers('a');
  one.publishes('p_1', [camera('t_1')]);
  assert.deepEqual(one.publishedBy('p_1'), [{ ...camera('t_1'), shown: false }]);
  one.fill([{ mid: 's8', track: 't_1' }], tracks);
  other.fill([{ mid: 's8', track: 't_1' }], tracks);
  assert.deepEqual(shown(other), {});
  other.publishes('p_1', [camera('t_1')]);
  for (const slots of [one, other]) {
    assert.deepEqual(shown(slots), { 'p_1 t_1': 'a s8' });
    assert.equal(slots.publishedBy('p_1')[0].shown, true);
    assert.equal(slots.placeOf('t_1'), 's8');
  }
});

test('a track that moves to another place is shown by that place’s receiver', () => {
  const slots = new Slots();
  slots.publishes('p_1', [camera('t_1')]);
  slots.fill([{ mid: 's8', track: 't_1' }], receivers('a'));
  slots.fill([{ mid: 's9', track: 't_1' }], receivers('a'));
  assert.deepEqual(shown(slots), { 'p_1 t_1': 'a s9' });
});

test('a track that loses its place is no longer shown, but one that is muted stays until its place is taken', () => {
  const slots = new Slots();
  slots.publishes('p_1', [camera('t_1')]);
  slots.publishes('p_2', [camera('t_2')]);
  slots.fill([{ mid: 's8', track: 't_1' }, { mid: 's9', track: 't_2' }], receivers('a'));
  slots.fill([{ mid: 's9', track: 't_2' }], receivers('a'));
  assert.deepEqual(shown(slots), { 'p_2 t_2': 'a s9' });
  slots.publishes('p_2', [camera('t_2', true)]);
  slots.fill([], receivers('a'));
  assert.deepEqual(shown(slots), { 'p_2 t_2': 'a s9' });
  slots.fill([{ mid: 's9', track: 't_1' }], receivers('a'));
  assert.deepEqual(shown(slots), { 'p_1 t_1': 'a s9' });
});

test('a new connection changes nothing until places are told on it', () => {
  const slots = new Slots();
  slots.publishes('p_1', [camera('t_1')]);
  slots.fill([{ mid: 's8', track: 't_1' }], receivers('a'));
  slots.publishes('p_2', [camera('t_2')]);
  assert.deepEqual(shown(slots), { 'p_1 t_1': 'a s8' });
  slots.fill([{ mid: 's8', track: 't_1' }], receivers('b'));
  assert.deepEqual(shown(slots), { 'p_1 t_1': 'b s8' });
});

test('who publishes nothing any more is not shown, whatever the places say', () => {
  const slots = new Slots();
  slots.publishes('p_1', [camera('t_1')]);
  slots.fill([{ mid: 's8', track: 't_1' }], receivers('a'));
  slots.publishes('p_1', []);
  assert.deepEqual(shown(slots), {});
  assert.deepEqual(slots.publishedBy('p_1'), []);
});

/** A view of somebody with a camera and a screen, and what it has told. */
function viewed(t) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told = [], published = { p_1: [camera('t_1'), { id: 't_2', kind: 'video', source: 'screen' }, { id: 't_3', kind: 'audio', source: 'microphone' }] };
  const view = new View((participant) => published[participant] ?? [], (message) => told.push(message));
  return { view, told, published, wait: (ms) => t.mock.timers.tick(ms) };
}

test('changes of the view within 100 ms are told together, and what is the same is not told again', (t) => {
  const { view, told, wait } = viewed(t);
  for (const height of [100, 200, 360]) view.show([{ participant: 'p_1', height }]);
  wait(99);
  assert.deepEqual(told, []);
  wait(1);
  assert.deepEqual(told, [{ type: 'view', tracks: [{ track: 't_1', height: 360, priority: 1 }] }]);
  view.show([{ participant: 'p_1', height: 360 }]);
  wait(200);
  assert.equal(told.length, 1);
});

test('a change that never rests is told all the same', (t) => {
  const { view, told, wait } = viewed(t);
  for (let n = 0; n < 10; n++) { view.show([{ participant: 'p_1', height: 100 + n }]); wait(50); }
  assert.equal(told.length, 5);
});

test('nothing is told by who never says what they show, and everything comes again after null', (t) => {
  const { view, told, wait } = viewed(t);
  view.refresh();
  view.forget();
  wait(200);
  assert.deepEqual(told, []);
  assert.equal(view.wants('t_1'), true);
  view.show([]);
  wait(200);
  assert.equal(view.wants('t_1'), false);
  view.show(null);
  wait(200);
  assert.deepEqual(told, [{ type: 'view', tracks: [] }, { type: 'view' }]);
});

test('a wish names a track, or a participant and a source; the largest and first of several counts, and 0 is not at all', (t) => {
  const { view } = viewed(t);
  view.show([
    { participant: 'p_1', height: 90.5 }, { track: 't_1', height: 180, priority: 3 }, { participant: 'p_1', source: 'screen', height: 100_000, priority: 1000 },
    { track: { id: 't_9' }, height: 0 }, { participant: 'p_none', height: 5 },
  ]);
  assert.deepEqual(view.tracks(), [{ track: 't_1', height: 180, priority: 3 }, { track: 't_2', height: 65535, priority: 255 }]);
});

test('a wish for a participant follows them to another track, and is told again to a server that has forgotten it', (t) => {
  const { view, told, published, wait } = viewed(t);
  view.show([{ participant: 'p_1', height: 180 }]);
  wait(100);
  published.p_1 = [camera('t_7')];
  view.refresh();
  wait(100);
  view.forget();
  wait(100);
  assert.deepEqual(told.map(({ tracks }) => tracks[0].track), ['t_1', 't_7', 't_7']);
});

test('a camera is sent in three sizes, a smaller one in fewer, a screen in one', () => {
  const rids = (...how) => encodingsFor('video', ...how).map(({ rid, scaleResolutionDownBy }) => `${rid}/${scaleResolutionDownBy}`).join(' ');
  assert.equal(rids('camera', 1280), 'q/4 h/2 f/1');
  assert.equal(rids('camera'), 'q/4 h/2 f/1');
  assert.equal(rids('camera', 640), 'h/2 f/1');
  assert.equal(rids('camera', 320), 'f/1');
  assert.equal(encodingsFor('video', 'screen', 1920).length, 1);
  assert.deepEqual(encodingsFor('audio', 'microphone'), [{}]);
  assert.notEqual(encodingsFor('video', 'camera')[0], encodingsFor('video', 'camera')[0], 'browsers change what they are given');
});

test('encodings that nobody needs are paused, and all where nothing is needed', () => {
  const encodings = [{ rid: 'q', active: true }, { rid: 'h', active: true }, { rid: 'f', active: true }];
  const active = () => encodings.filter((e) => e.active).map(({ rid }) => rid).join('');
  assert.equal(pause(encodings, { any: true, rids: ['q', 'h'] }), true);
  assert.equal(active(), 'qh');
  assert.equal(pause(encodings, { any: true, rids: ['q', 'h'] }), false);
  pause(encodings, { any: false, rids: [] });
  assert.equal(active(), '');
  const single = [{}];
  assert.equal(pause(single, { any: true, rids: [] }), false);
  assert.equal(pause(single, { any: false, rids: [] }), true);
  assert.equal(single[0].active, false);
});

test('of the codecs the chosen one is offered, with what goes beside it; all where the browser does not have it', () => {
  const codecs = ['video/VP8', 'video/rtx', 'video/VP9', 'video/H264', 'video/red'].map((mimeType) => ({ mimeType }));
  assert.deepEqual(only(codecs, 'vp9').map(({ mimeType }) => mimeType), ['video/rtx', 'video/VP9', 'video/red']);
  assert.equal(only(codecs, 'AV1').length, 5);
});

test('silence is suppressed in voices and nothing else', () => {
  const section = (mid) => `m=audio 9 X 111\r\na=mid:${mid}\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n`;
  const sdp = `v=0\r\n${section('0')}${section('1')}m=video 9 X 96\r\na=mid:2\r\na=rtpmap:96 VP8/90000\r\n`;
  assert.equal(withSilenceSuppressed(sdp, new Set(['0', '2'])), sdp.replace('useinbandfec=1', 'useinbandfec=1;usedtx=1'));
  const already = sdp.replaceAll('useinbandfec=1', 'usedtx=1');
  assert.equal(withSilenceSuppressed(already, new Set(['0', '1'])), already);
});

test('an answer says once what all places of a kind have in common, and of each which it is and whether it is taken', () => {
  const section = (kind, mid, port = 9) => `m=${kind} ${port} X 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=mid:${mid}\r\na=extmap-allow-mixed\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n`;
  const short = (kind, mid) => `m=${kind} 9 X 96\r\nc=IN IP4 0.0.0.0\r\na=mid:${mid}\r\na=recvonly\r\n`;
  const sdp = `v=0\r\n${section('audio', 's0', 0)}${section('audio', 's1')}${section('audio', 's2')}${section('video', 's3')}${section('video', 's4')}`;
  assert.equal(slender(sdp), `v=0\r\n${section('audio', 's0', 0)}${section('audio', 's1')}${short('audio', 's2')}${section('video', 's3')}${short('video', 's4')}`);
});

test('a parcel names whom it is for, and one that comes whose it is', () => {
  assert.deepEqual([...wrap('hé', ['p_a', 'p_bc'])], [1, 2, 3, ...Buffer.from('p_a'), 4, ...Buffer.from('p_bc'), ...Buffer.from('hé')]);
  assert.deepEqual([...wrap(new Uint8Array([9, 8]).subarray(1), [])], [0, 0, 8]);
  const parcel = (...bytes) => new Uint8Array(bytes).buffer;
  assert.deepEqual(unwrap(parcel(1, 3, ...Buffer.from('p_a'), ...Buffer.from('hé'))), { from: 'p_a', data: 'hé' });
  assert.deepEqual(unwrap(parcel(0, 3, ...Buffer.from('p_a'), 7)), { from: 'p_a', data: parcel(7) });
  for (const nonsense of [[], [1], [1, 9, 1]]) assert.equal(unwrap(parcel(...nonsense)), null);
  assert.throws(() => wrap('x', Array(65).fill('p')), RangeError);
});

test('how well we receive is said of the path and of each track', () => {
  const of = (loss, round_trip_ms, ...limits) => {
    const { quality, tracks } = receptionOf({ estimate_kbps: 1, loss, round_trip_ms, tracks: limits.map(([limited_by, kbps]) => ({ track: 't', kbps, limited_by })) });
    return [quality, ...tracks.map((track) => track.quality)].join(' ');
  };
  assert.equal(of(0, 20, ['nothing', 100], ['view', 0], ['bandwidth', 100], ['bandwidth', 0]), 'good good good fair poor');
  assert.equal(of(0.05, 20, ['nothing', 100], ['bandwidth', 100]), 'fair fair fair');
  assert.equal(of(0.05, 900, ['nothing', 100], ['bandwidth', 100]), 'poor poor poor');
});
