// A path that loses packets both ways and delivers unevenly: pictures go on, since what was lost is sent again, and sound is heard.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { startFar } from '../../../kit/lab/lib/far.mjs';
import { enter, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';

/** Pictures to look at, and the most that may be missing between two of them, in seconds of the camera. */
const LOOKED_AT = 200, LONGEST = 2;
let far, near, distant, ann, bob;
before(async () => {
  far = await startFar('loss');
  [near, distant] = await Promise.all([far.cable.srv, far.cable.far].map((netns) => launchChromium({ netns, secure: [far.origin] })));
  const come = (browser, name, who) => enter(browser, far.server.url, 'lossy', who, { options: { token: far.server.token('lossy', name) } });
  ann = await come(near, 'ann', palette[0]);
  bob = await come(distant, 'bob', palette[1]);
});
after(async () => { await Promise.all([near?.close(), distant?.close()]); await far?.stop(); });

/** Runs in the page: notes every picture of somebody, by the camera's clock and not by ours. */
function look(participant) {
  const video = document.getElementById(`v-${participant}-camera`), seen = window.seen = { pictures: 0, longest: 0 };
  let last;
  const next = (_, { rtpTimestamp }) => {
    if (window.seen !== seen) return;
    if (last !== undefined) seen.longest = Math.max(seen.longest, ((rtpTimestamp - last) >>> 0) / 90_000);
    last = rtpTimestamp;
    seen.pictures++;
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}

/** How many packets of pictures were sent again over the path: to the distant page, and by it. */
const sentAgain = () => bob.page.evaluate(async () => {
  const all = await Promise.all(window.connections.map((pc) => pc.getStats()));
  const streams = all.flatMap((stats) => [...stats.values()]).filter(({ kind }) => kind === 'video');
  const sum = (field) => streams.reduce((before, stream) => before + (stream[field] ?? 0), 0);
  return [sum('retransmittedPacketsSent'), sum('retransmittedPacketsReceived')];
});

for (const loss of [5, 10]) {
  test(`with ${loss} % lost and jitter, pictures go on and sound is heard, both ways`, async (t) => {
    far.cable.set({ up: { loss: 0, jitter: 0 }, down: { loss: 0, jitter: 0 } });
    await meets(bob, ann);
    await meets(ann, bob);
    const before = await sentAgain();
    far.cable.set({ up: { loss, jitter: 15 }, down: { loss, jitter: 15 } });
    await bob.page.evaluate(look, ann.id);
    await ann.page.evaluate(look, bob.id);
    for (const [index, one] of [ann, bob].entries()) {
      const { longest } = await until(`${LOOKED_AT} pictures at ${one.colour}`, async (note) => {
        const seen = await one.page.evaluate(() => window.seen);
        note(seen);
        return seen.pictures >= LOOKED_AT && seen;
      }, 90);
      const again = (await sentAgain())[index] - before[index];
      t.diagnostic(`${one.colour}: at most ${longest.toFixed(2)} s missing between two pictures, ${again} packets were sent again`);
      assert.ok(longest < LONGEST, `${longest} s are missing at ${one.colour}`);
      assert.ok(again > 0, `nothing was sent again to ${one.colour}`);
    }
    await meets(bob, ann);
    await meets(ann, bob);
  });
}
