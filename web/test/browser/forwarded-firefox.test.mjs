// Firefox among Chromiums in a room whose media goes through the server.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { allMeet, enter, forwardedConfig, meets, palette, watched } from '../../../kit/lab/lib/forwarded.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browsers, ann, bob, fox;
before(async () => { [server, ...browsers] = await Promise.all([startTrefoil({ config: `${forwardedConfig}[media]\nlisten = ["127.0.0.1:0"]\ndetailed_metrics = true\n` }), launchChromium(), launchChromium(), launchFirefox({ hz: 1600 })]); });
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

/** Lets a page send its sound with redundancy (RFC 2198), as it may prefer. */
const preferRedundancy = async (page) => {
  await watched(page);
  await page.addInitScript(() => {
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function (...args) {
      const transceiver = add.apply(this, args);
      const isRed = ({ mimeType }) => mimeType === 'audio/red';
      const { codecs } = RTCRtpReceiver.getCapabilities('audio');
      if (transceiver.receiver.track.kind === 'audio') transceiver.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((codec) => !isRed(codec))]);
      return transceiver;
    };
  });
};
test('Firefox and two Chromiums see and hear each other', async () => {
  ann = await enter(browsers[0], server.url, 'mixed', palette[0]);
  fox = await enter(browsers[2], server.url, 'mixed', ['changing', 1600], { publish: false, prepare: async () => {} });
  await fox.page.evaluate(async () => { T.camera = await T.room.publishCamera(); T.microphone = await T.room.publishMicrophone(); });
  bob = await enter(browsers[1], server.url, 'mixed', palette[1], { prepare: preferRedundancy });
  await allMeet(ann, bob, fox);
});

test('sound was sent with redundancy by the one who prefers that, and each track is counted', async () => {
  // Firefox, which knows no redundancy, and Chromium have both heard it by now.
  for (const [{ id }, codec] of [[bob, 'red'], [ann, 'opus'], [fox, 'opus']]) {
    await until(`${codec} is counted`, async (note) => {
      const metrics = await (await fetch(new URL('/metrics', server.url))).text();
      const row = metrics.split('\n').find((line) => line.startsWith('trefoil_media_track_packets_received_total') && line.includes(`participant="${id}"`) && line.includes('source="microphone"'));
      note(row);
      return row?.includes('room="mixed"') && row.includes(`codec="${codec}"`) && Number(row.split(' ').at(-1)) > 50;
    });
  }
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
