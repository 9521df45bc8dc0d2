// A tone that is played into a room: heard by who hears each voice, by who hears the mix, and at the page, which says what it is.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { heard, openBare } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { Person } from '../../../kit/lab/lib/person.mjs';
import { listen, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';
import { tone } from '../../../kit/lab/lib/wav.mjs';

const secret = 'a secret of at least thirty-two bytes', hz = 700;
const config = `[server]\nkeys = [{ key = "app", secret = "${secret}" }]\n[server.rooms]\ntopology = "sfu"\n[media]\nlisten = ["127.0.0.1:0"]\n`;
let server, browser, each, mixed, page;

/** As an administrator. */
const ask = (method, path = '', body) => fetch(`${server.url}v1/namespaces/default/rooms/hall/announcements${path}`, { method, body, headers: { authorization: `Basic ${btoa(`app:${secret}`)}` } });

before(async () => {
  [server, browser] = await Promise.all([startTrefoil({ config }), launchChromium({ colour: 'red', hz: 400 })]);
  each = await browser.page();
  mixed = await browser.page();
  for (const [one, name] of [[each, 'each'], [mixed, 'mixed']]) {
    await openBare(one, server.url);
    await one.evaluate((token) => T.join({ token }), server.token('hall', name));
  }
  await mixed.evaluate(() => T.room.listenAs({ audio: 'mixed' }));
  page = await Person.at(browser, { name: 'Ann' });
  await page.join(`${server.url}r/hall#token=${server.token('hall', 'Ann')}`);
  await page.click('#bar-microphone');
});
after(async () => { await Promise.all([browser?.close(), server?.stop()]); });

const hears = (who, one, selector) => until(`${who} hears it`, async (note) => {
  const sound = await one.evaluate(listen, selector);
  note(sound);
  return sound.decibel > -70 && Math.abs(sound.hz - hz) < 15;
});

test('it is heard by everybody, whichever way they hear, and nobody is shown for it', async () => {
  const answer = await ask('POST', '?name=Doors+open&repeat=3', tone(hz, 20));
  assert.equal(answer.status, 201);
  assert.equal((await answer.json()).length_seconds, 60);
  await Promise.all([hears('who hears each', each, '#announced'), hears('who hears the mix', mixed, '#mix'), hears('the page', page.page, '#announced')]);
  assert.equal(await mixed.evaluate(() => document.querySelector('#announced')), null, 'nobody hears it twice');
  assert.equal(await page.ev(() => document.querySelectorAll('.tile').length), 3);
  assert.equal(await each.evaluate(() => T.room.participants.length), 2);
});

test('the page says what it is and how far it is, and who comes meanwhile is told too', async () => {
  assert.equal(await page.text('.announcement span'), 'Announcement: Doors open');
  const far = () => page.ev(() => document.querySelector('.announcement progress').value);
  const before = await far();
  await until('it goes on', async () => (await far()) > before);
  const late = await browser.page();
  await openBare(late, server.url);
  await late.evaluate((token) => T.join({ token }), server.token('hall', 'late'));
  const { detail } = await heard(late, 'announcement');
  assert.deepEqual([detail.name, detail.state, detail.length], ['Doors open', 'progress', 60]);
  await hears('the newcomer', late, '#announced');
  await late.close();
});

test('after it was stopped nobody hears it, and nothing is said of it', async () => {
  const { announcements: [{ id, seconds }] } = await (await ask('GET')).json();
  assert.ok(seconds > 0);
  assert.equal((await ask('DELETE', `/${id}`)).status, 204);
  await until('the line is gone', () => page.ev(() => !document.querySelector('.announcement')));
  await until('silence', async (note) => {
    const sounds = [await each.evaluate(listen, '#announced'), await mixed.evaluate(listen, '#mix'), await page.ev(listen, '#announced')];
    note(sounds);
    return sounds.every(({ hz: loudest, decibel }) => decibel < -80 || Math.abs(loudest - hz) > 15);
  });
  assert.deepEqual(await each.evaluate(() => [T.room.announcements, T.room.announced]), [[], null]);
  assert.equal((await ask('DELETE', `/${id}`)).status, 404);
  page.unharmed();
});
