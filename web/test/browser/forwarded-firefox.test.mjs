// Firefox among Chromiums in a room whose media goes through the server.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { allMeet, enter, forwardedConfig, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browsers, ann, bob, fox;
before(async () => { [server, ...browsers] = await Promise.all([startTrefoil({ config: forwardedConfig }), launchChromium(), launchChromium(), launchFirefox({ hz: 1600 })]); });
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

test('Firefox and two Chromiums see and hear each other', async () => {
  ann = await enter(browsers[0], server.url, 'mixed', palette[0]);
  fox = await enter(browsers[2], server.url, 'mixed', ['changing', 1600], { publish: false, prepare: async () => {} });
  await fox.page.evaluate(async () => { T.camera = await T.room.publishCamera(); T.microphone = await T.room.publishMicrophone(); });
  bob = await enter(browsers[1], server.url, 'mixed', palette[1]);
  await allMeet(ann, bob, fox);
});

test('Firefox can close its camera and open it again', async () => {
  await fox.page.evaluate(() => T.camera.mute());
  await until('the mark', () => ann.page.evaluate((id) => T.room.participants.find((p) => p.id === id).muted.video, fox.id));
  await fox.page.evaluate(() => T.camera.unmute());
  await meets(ann, fox);
});

test('data goes between Firefox and Chromium through the server', async () => {
  await fox.page.evaluate(() => T.room.sendData('from the fox'));
  for (const one of [ann, bob]) await until('the word', () => one.page.evaluate(() => T.data.some(([, data]) => data === 'from the fox')));
  await ann.page.evaluate((to) => T.room.sendData(new Uint8Array([7]), to), fox.id);
  await until('the byte', () => fox.page.evaluate(() => T.data.some(([, data]) => data[0] === 7)));
});

test('Firefox that comes back sees and hears as before, and has place for 48 pictures', async () => {
  await fox.page.evaluate(() => T.room.leave());
  await until('gone', () => ann.page.evaluate(() => T.room.participants.length === 1));
  await fox.page.close();
  fox = await enter(browsers[2], server.url, 'mixed', ['changing', 1600], { publish: false, prepare: async () => {}, options: { slots: { audio: 16, video: 48 } } });
  await fox.page.evaluate(async () => { await T.room.publishCamera(); await T.room.publishMicrophone(); });
  await allMeet(ann, bob, fox);
});
