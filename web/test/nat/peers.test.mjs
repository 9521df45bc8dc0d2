// WebRTC stacks that are no browsers, in a room with Chromium: everybody sees the other's colour and hears the other's tone.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { framesAdvance } from '../../../kit/lab/lib/bare.mjs';
import { startFar } from '../../../kit/lab/lib/far.mjs';
import { enter, heightOf, keepSizes, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { peerMeets, peerUntil, startPeer } from '../../../kit/lab/lib/peer.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';

let far, browser;
before(async () => {
  far = await startFar('peer');
  browser = await launchChromium({ netns: far.cable.far, secure: [far.origin] });
});
after(async () => { await browser?.close(); await far?.stop(); });

/** Chromium is red in the room, and the peer comes. */
async function room(t, program, what, size) {
  const { server, cable } = far;
  const ann = await enter(browser, server.url, program, palette[0], { size, options: { token: server.token(program, 'ann') } });
  t.after(() => ann.page.close());
  const peer = await startPeer(program, { netns: cable.far, url: server.url, token: server.token(program, program), ...what });
  t.after(() => peer.stop());
  return { ann, peer };
}

test('aiortc and Chromium see and hear each other', async (t) => {
  const { ann, peer } = await room(t, 'aiortc', { colour: 'lime', hz: 500 });
  await meets(ann, peer);
  await peerMeets(peer, ann);
  // Its own estimate of the path comes after three seconds, and is the only one that there is.
  const { frames } = peer.told.sees[ann.id];
  await peerUntil(peer, 'sees ann without end', () => peer.told.sees[ann.id].frames > frames + 90);
  assert.deepEqual(peer.wrong, []);
});

test('Pion and Chromium see and hear each other, each in the size that the other shows', async (t) => {
  const { ann, peer } = await room(t, 'pion', { colour: 'yellow', hz: 1600 }, [1280, 720]);
  await meets(ann, peer);
  await peerMeets(peer, ann);
  await keepSizes(ann);
  // What Pion sends in three encodings, by what Chromium shows.
  const shows = (height) => ann.page.evaluate(([participant, h]) => T.room.view([{ participant, height: h }]), [peer.id, height]);
  for (const height of [180, 720, 360]) {
    await shows(height);
    await until(`Chromium has the picture that is ${height} high`, async (note) => { const is = await heightOf(ann, peer); note(is); return is === height; });
    await framesAdvance(ann.page, peer.id);
  }
  await meets(ann, peer);
  // What Chromium sends in three encodings, by what Pion shows.
  const { track } = await peerUntil(peer, 'knows the track', () => peer.told.tracks?.find((each) => each.participant === ann.id && each.kind === 'video'));
  for (const height of [180, 720]) {
    peer.say('view', { tracks: [{ track, height }] });
    await peerUntil(peer, `has the picture that is ${height} high`, () => peer.told.sees[ann.id].size[1] === height);
  }
  await peerMeets(peer, ann);
  assert.deepEqual(peer.wrong, []);
});

test('GStreamer and Chromium see and hear each other', async (t) => {
  const { ann, peer } = await room(t, 'gstreamer', { colour: 'lime', hz: 700 });
  await meets(ann, peer);
  await peerMeets(peer, ann);
  assert.deepEqual(peer.wrong, []);
});
