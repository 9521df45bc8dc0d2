// A server that is started again under those who are in a room that goes through it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { allMeet, enter, forwardedConfig, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

test('after the server was started again everybody is back by themselves, and all see and hear each other', async (t) => {
  const browsers = await Promise.all([launchChromium(), launchChromium()]);
  let server = await startTrefoil({ config: forwardedConfig });
  t.after(() => Promise.all([...browsers.map((browser) => browser.close()), server.stop()]));
  const people = await Promise.all(browsers.map((browser, n) => enter(browser, server.url, 'again', palette[n])));
  await allMeet(...people);
  await server.stop();
  server = await startTrefoil({ config: forwardedConfig, http: new URL(server.url).host });
  for (const one of people) {
    one.id = await until('a new id', () => one.page.evaluate((old) => T.room.me.id !== old && T.room.me.id, one.id));
    await until('the other', () => one.page.evaluate(() => T.room.participants.length === 1));
  }
  await allMeet(...people);
  for (const { page } of people) assert.equal(await page.evaluate(() => window.connections.filter((pc) => pc.connectionState !== 'closed').length), 2);
});
