// The media server behind our own TURN server, for those who reach nothing else.
import test from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { allMeet, enter, forwardedConfig, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

test('two browsers that may only use relays meet in a room that goes through the server', async (t) => {
  // Nothing says that the relay may reach this machine: its own media server it may.
  const [server, ...browsers] = await Promise.all([startTrefoil({ config: forwardedConfig }), launchChromium(), launchChromium()]);
  t.after(() => Promise.all([...browsers.map((browser) => browser.close()), server.stop()]));
  const people = await Promise.all(browsers.map((browser, n) => enter(browser, server.url, 'relayed', palette[n], { options: { relayOnly: true } })));
  await allMeet(...people);
  for (const { page } of people) await until('the relay in the statistics', async () => Object.values(await page.evaluate(() => T.room.stats())).every(({ route }) => route === 'relay'));
});
