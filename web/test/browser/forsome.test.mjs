// Something under a name of the application's, for one of two: whichever way media goes, the other never gets it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { framesAdvance, openBare } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

for (const topology of ['p2p', 'sfu']) test(`a whiteboard that is for one comes to them by that name, and to nobody else, in a room that is ${topology}`, async (t) => {
  const [server, browser] = await Promise.all([startTrefoil({ config: `[server.rooms]\ntopology = "${topology}"\n` }), launchChromium()]);
  t.after(() => Promise.all([browser.close(), server.stop()]));
  const [ann, bob, cem] = await Promise.all([1, 2, 3].map(() => browser.page())), ids = [];
  for (const page of [ann, bob, cem]) {
    await openBare(page, server.url);
    ids.push(await page.evaluate(() => T.join({ room: 'board' })));
  }
  const [a, b, c] = ids;
  await ann.evaluate((to) => {
    const { camera, microphone } = T.make('lime', 800);
    T.board = T.room.publish(camera, { source: 'whiteboard', to: [to] });
    T.room.publish(microphone, { source: 'microphone' });
  }, b);
  await framesAdvance(bob, a, 'whiteboard');
  const of = (page) => page.evaluate((id) => T.room.tracksOf(id).map(({ source }) => source), a);
  await until('the voice is for all', async () => (await of(cem)).includes('microphone'));
  assert.deepEqual((await of(bob)).sort(), ['microphone', 'whiteboard']);
  assert.deepEqual(await of(cem), ['microphone']);
  // It goes to the other instead, and then to both.
  await ann.evaluate((to) => T.room.allow(T.board, [to]), c);
  await framesAdvance(cem, a, 'whiteboard');
  await until('it is Bob’s no longer', async () => !(await of(bob)).includes('whiteboard'));
  await ann.evaluate(() => T.room.allow(T.board, null));
  await until('it is for both', async () => (await of(bob)).includes('whiteboard') && (await of(cem)).includes('whiteboard'));
  const code = await ann.evaluate(() => { try { T.room.publish(T.make('red', 400).camera, { source: 'white board' }); } catch (error) { return error.code; } });
  assert.equal(code, 'invalid_name');
});
