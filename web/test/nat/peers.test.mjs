// WebRTC stacks that are no browsers, in a room with Chromium: everybody sees the other's colour and hears the other's tone.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { startFar } from '../../../kit/lab/lib/far.mjs';
import { enter, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { peerMeets, startPeer } from '../../../kit/lab/lib/peer.mjs';

let far, browser;
before(async () => {
  far = await startFar('peer');
  browser = await launchChromium({ netns: far.cable.far, secure: [far.origin] });
});
after(async () => { await browser?.close(); await far?.stop(); });

/** Chromium is red in the room, and the peer comes. */
async function room(t, program, what) {
  const { server, cable } = far;
  const ann = await enter(browser, server.url, program, palette[0], { options: { token: server.token(program, 'ann') } });
  t.after(() => ann.page.close());
  const peer = await startPeer(program, { netns: cable.far, url: server.url, token: server.token(program, program), ...what });
  t.after(() => peer.stop());
  return { ann, peer };
}

test('aiortc and Chromium see and hear each other', async (t) => {
  const { ann, peer } = await room(t, 'aiortc', { colour: 'lime', hz: 500 });
  await meets(ann, peer);
  await peerMeets(peer, ann);
  assert.deepEqual(peer.wrong, []);
});
