// Simulcast: who shows a picture small gets the small one, and what nobody shows is not even encoded.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { enter, forwardedConfig, heightOf, keepSizes, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { framesAdvance } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browsers, rooms = 0;
before(async () => { [server, ...browsers] = await Promise.all([startTrefoil({ config: forwardedConfig }), launchChromium(), launchChromium()]); });
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

const shows = (one, other, height) => one.page.evaluate(([participant, h]) => T.room.view([{ participant, height: h }]), [other.id, height]);
const arrives = (one, other, height) => until(`a picture ${height} high`, async (note) => {
  const is = await heightOf(one, other);
  note({ is, reception: await one.page.evaluate(() => T.events.findLast(({ type }) => type === 'reception')?.detail) });
  return is === height;
});
/** The encodings of the camera that are sent now, by rid. */
const sent = ({ page }) => page.evaluate(() => {
  const sender = window.connections.flatMap((pc) => pc.getSenders()).find(({ track }) => track?.kind === 'video');
  return sender.getParameters().encodings.filter(({ active }) => active).map(({ rid }) => rid).join();
});
const sends = (one, rids) => until(`only ${rids || 'nothing'} is sent`, async (note) => { const is = await sent(one); note(is); return is === rids; });
/** A red camera of 1280 by 720 and somebody who shows it. */
async function pair(t, codec) {
  const room = `layers-${++rooms}`, ann = await enter(browsers[0], server.url, room, palette[0], { size: [1280, 720], codec });
  const bob = await enter(browsers[1], server.url, room, palette[1]);
  t.after(() => Promise.all([ann.page.close(), bob.page.close()]));
  await keepSizes(ann);
  return { ann, bob };
}
for (const codec of ['VP8', 'VP9', 'AV1', 'H264']) {
  test(`a ${codec} picture is as large as it is shown, and the publisher sends no other`, async (t) => {
    const { ann, bob } = await pair(t, codec);
    await shows(bob, ann, 180);
    await arrives(bob, ann, 180);
    await sends(ann, 'q');
    await shows(bob, ann, 720);
    await arrives(bob, ann, 720);
    await sends(ann, 'f');
    await meets(bob, ann);
    const stats = await until('the track in the statistics', async () => (await bob.page.evaluate((id) => T.room.stats().then((all) => all[id]), ann.id))?.tracks.find(({ kind }) => kind === 'video'));
    assert.equal(stats.codec, codec);
    assert.equal(stats.height, 720);
  });
}

test('what nobody shows is not sent at all, and is there again when somebody does', async (t) => {
  const { ann, bob } = await pair(t);
  await meets(bob, ann);
  await shows(bob, ann, 0);
  await sends(ann, '');
  await shows(bob, ann, 360);
  await arrives(bob, ann, 360);
  await framesAdvance(bob.page, ann.id);
  await bob.page.evaluate(() => T.room.view(null));
  await arrives(bob, ann, 720);
});

test('a view is told again after the connection to receive was begun anew', async (t) => {
  const { ann, bob } = await pair(t);
  await shows(bob, ann, 180);
  await arrives(bob, ann, 180);
  await bob.page.evaluate(() => {
    window.views = 0;
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) { if (JSON.parse(text).type === 'view') window.views++; send.call(this, text); };
    window.connections.find((pc) => pc.getReceivers().length > 5).close();
  });
  await until('another connection', () => bob.page.evaluate(() => window.connections.length === 3 && window.connections[2].connectionState === 'connected'));
  await until('the view', () => bob.page.evaluate(() => window.views > 0));
  await framesAdvance(bob.page, ann.id);
  // Between the connection and the view there may have been a larger one.
  await arrives(bob, ann, 180);
  await sends(ann, 'q');
});
