// Everybody in one stream: three Chromiums and a Firefox, of which some hear the mix and some each voice by itself.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { enter, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { spectrum, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const config = '[server.rooms]\ntopology = "mixed"\nguest_role = "moderator"\n[media]\nlisten = ["127.0.0.1:0"]\nmixed_talkers = 4\n';
let server, browsers, people;
before(async () => { [server, ...browsers] = await Promise.all([startTrefoil({ config }), launchChromium(), launchChromium(), launchChromium(), launchFirefox({ hz: 1600 })]); });
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

/** The mix holds the tones of these and none of those: by spectrum, not by what anybody says of it. */
async function mixes(one, others, but) {
  await until(`${one.hz} Hz hears the mix of ${others.map(({ hz }) => hz)}`, async (note) => {
    const decibel = await one.page.evaluate(spectrum, ['#mix', [...others, ...but].map(({ hz }) => hz)]);
    note(decibel);
    return decibel.slice(0, others.length).every((d) => d > -60) && decibel.slice(others.length).every((d) => d < -65);
  });
}

test('each hears all others in one stream and never itself, and sees them as before', async () => {
  people = [];
  for (const [n, browser] of browsers.entries()) {
    const firefox = n === 3;
    const one = await enter(browser, server.url, 'choir', firefox ? ['changing', 1600] : palette[n], { publish: !firefox, ...(firefox && { prepare: async () => {} }) });
    if (firefox) await one.page.evaluate(async () => { await T.room.publishCamera(); T.microphone = await T.room.publishMicrophone(); });
    people.push(one);
  }
  for (const one of people) await mixes(one, people.filter((other) => other !== one), [one]);
  const sounds = await people[0].page.evaluate(() => T.room.participants.flatMap(({ id }) => T.room.tracksOf(id)).filter(({ kind }) => kind === 'audio').length);
  assert.equal(sounds, 0, 'nobody comes by themselves');
  await until('the pictures', () => people[0].page.evaluate(() => document.querySelectorAll('video:not(#mix)').length === 3));
});

test('who wants each voice by itself gets that, while the others hear the mix on', async () => {
  const [ann, bob, cem, fox] = people;
  await ann.page.evaluate(() => T.room.listenAs({ audio: 'separate' }));
  for (const other of [bob, cem]) await meets(ann, other);
  assert.equal(await ann.page.evaluate(() => T.room.mix), null);
  await mixes(bob, [ann, cem, fox], [bob]);
  await ann.page.evaluate(() => T.room.listenAs({ audio: 'mixed' }));
  await mixes(ann, [bob, cem, fox], [ann]);
});

test('who is muted by a moderator is in no mix, and whom I turn down is silent for me alone', async () => {
  const [ann, bob, cem, fox] = people;
  await ann.page.evaluate((id) => T.room.mute(id, { audio: true }), cem.id);
  await mixes(bob, [ann, fox], [bob, cem]);
  await bob.page.evaluate((id) => T.room.listenAs({ volumes: { [id]: 0 } }), fox.id);
  await mixes(bob, [ann], [fox, cem]);
  await mixes(ann, [bob, fox], [ann, cem]);
});
