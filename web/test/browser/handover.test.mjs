// A room of two that begins to go through the server when the third comes: nobody is left without a picture.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { allMeet, enter, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

/** A picture may stand still for so long. */
const GAP_MS = 1500;
let server, browsers;
before(async () => { [server, ...browsers] = await Promise.all([startTrefoil(), launchChromium(), launchChromium(), launchChromium()]); });
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

/** Notes the longest time without a new frame of somebody's picture, whichever element shows it. */
const watchGaps = ({ page }, other) => page.evaluate((id) => {
  const gaps = window.gaps = { most: 0, elements: new Set(), last: performance.now() };
  const look = () => {
    const video = document.getElementById(id), now = performance.now();
    gaps.most = Math.max(gaps.most, now - gaps.last);
    if (video && !gaps.elements.has(video)) {
      gaps.elements.add(video);
      const frame = () => { gaps.last = performance.now(); video.requestVideoFrameCallback(frame); };
      video.requestVideoFrameCallback(frame);
    }
    requestAnimationFrame(look);
  };
  look();
}, `v-${other.id}-camera`);
const open = ({ page }) => page.evaluate(() => window.connections.filter((pc) => pc.connectionState !== 'closed').length);

test('the third makes the room go through the server: the first two never lose each other, the third sees both', async (t) => {
  const ann = await enter(browsers[0], server.url, 'growing', palette[0]), bob = await enter(browsers[1], server.url, 'growing', palette[1]);
  await allMeet(ann, bob);
  assert.equal(await ann.page.evaluate(() => T.room.state.topology), 'p2p');
  await Promise.all([watchGaps(ann, bob), watchGaps(bob, ann)]);
  const file = new Uint8Array(3_000_000).fill(7);
  await ann.page.evaluate(([to, bytes]) => { window.transfer = T.room.sendFile(new File([new Uint8Array(bytes)], 'x'), to); }, [bob.id, [...file.subarray(0, 200_000)]]);
  const cem = await enter(browsers[2], server.url, 'growing', palette[2]);
  await meets(cem, ann);
  await meets(cem, bob);
  await until('the topology', () => ann.page.evaluate(() => T.room.state.topology === 'sfu'));
  // The file was offered over the mesh, and is taken only now.
  await until('the offer', () => bob.page.evaluate(() => T.files.length === 1));
  assert.equal(await bob.page.evaluate(async () => (await T.files[0].accept()).size), 200_000);
  await ann.page.evaluate(() => window.transfer.done);
  for (const one of [ann, bob]) await until(`${one.colour} has let go of the mesh`, async (note) => { const have = await open(one); note(have); return have === 2; });
  await allMeet(ann, bob, cem);
  for (const one of [ann, bob]) {
    const { most, elements } = await one.page.evaluate(() => ({ most: window.gaps.most, elements: window.gaps.elements.size }));
    t.diagnostic(`${one.colour} was without a new frame for ${Math.round(most)} ms at most`);
    assert.ok(most < GAP_MS, `${most} ms without a frame`);
    assert.equal(elements, 1, 'one element showed it all the time');
  }
});

test('when only two are left, media still goes through the server and both meet', async () => {
  const room = 'shrinking', people = [];
  for (const n of [0, 1, 2]) people.push(await enter(browsers[n], server.url, room, palette[n]));
  await allMeet(...people);
  await people[2].page.evaluate(() => T.room.leave());
  for (const one of people.slice(0, 2)) await until('the third gone', () => one.page.evaluate(() => T.room.participants.length === 1 && document.querySelectorAll('video').length === 1));
  await allMeet(people[0], people[1]);
});
