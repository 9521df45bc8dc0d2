// Four people in a room whose media goes through the server, each in a Chromium of their own.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { allMeet, enter, forwardedConfig, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browsers, people;
before(async () => {
  [server, ...browsers] = await Promise.all([startTrefoil({ config: forwardedConfig }), ...palette.map(() => launchChromium())]);
});
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

test('each of four sees the colours and hears the tones of all others, and not its own', async () => {
  people = [];
  for (const [n, who] of palette.entries()) people.push(await enter(browsers[n], server.url, 'four', who));
  await allMeet(...people);
  for (const { page, id } of people) {
    assert.equal(await page.evaluate((own) => document.querySelectorAll('video').length === 3 && !document.getElementById(`v-${own}-camera`), id), true);
    assert.equal(await page.evaluate(() => window.connections.length), 2, 'one connection to send and one to receive');
  }
});
