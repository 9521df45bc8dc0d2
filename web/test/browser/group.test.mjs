// A group at the real page: two who call each other become four whose media goes through the server.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { watched } from '../../../kit/lab/lib/forwarded.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { listen, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const who = [['Ann', 'red', 400], ['Bob', 'blue', 1200], ['Cem', 'lime', 800], ['Dan', 'yellow', 1600]].map(([name, colour, hz]) => ({ name, colour, hz }));
let server, browsers, people;
const tileOf = (name, source = 'camera') => `.tile:not(.me)[data-source=${source}][aria-label="${name}"]`;
const tiles = (person, count) => until(`${person.name} has ${count} tiles`, () => person.ev((n) => document.querySelectorAll('.tile').length === n, count));
/** The last view that a page has told the server, by height. */
const toldView = (person) => person.ev(() => window.views.at(-1)?.tracks);

before(async () => {
  [server, ...browsers] = await Promise.all([startTrefoil({ config: '[server.rooms]\nguest_role = "moderator"\n' }), ...who.map(launchChromium)]);
  people = await Promise.all(who.map((one, n) => Person.at(browsers[n], one)));
  for (const { page } of people) {
    await watched(page);
    await page.addInitScript(() => {
      window.views = [];
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (text) { const message = JSON.parse(text); if (message.type === 'view') window.views.push(message); send.call(this, text); };
    });
  }
});
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

test('two meet directly, and four through the server', async () => {
  const [ann, bob, cem, dan] = people, link = `${server.url}r/group`;
  await ann.join(link);
  await bob.join(link);
  await allMeet(ann, bob);
  await cem.join(link);
  await dan.join(link);
  for (const person of people) await tiles(person, 4);
  await allMeet(...people);
  for (const person of people) await until(`${person.name} has two connections`, () => person.ev(() => window.connections.filter((pc) => pc.connectionState !== 'closed').length === 2));
});

test('the page asks for each tile as high as it is on the screen', async () => {
  const [ann] = people;
  await until('the heights of the tiles', async (note) => {
    const wanted = await ann.ev(() => [...document.querySelectorAll('.tile:not(.me)')].map((tile) => Math.ceil(tile.getBoundingClientRect().height * devicePixelRatio)));
    const told = (await toldView(ann))?.map(({ height }) => height);
    note({ wanted, told });
    return wanted.length === 3 && told?.join() === wanted.join();
  });
});

test('a tile that is pinned is large, asked for first, and small again', async () => {
  const [ann] = people, before = await ann.ev((s) => document.querySelector(s).clientHeight, tileOf('Bob'));
  await ann.ev((s) => document.querySelector(`${s} .pin`).click(), tileOf('Bob'));
  await ann.waitFor(`.screens ${tileOf('Bob')} .pin[aria-pressed=true]`);
  assert.ok(await ann.ev((s) => document.querySelector(s).clientHeight, tileOf('Bob')) > before);
  await until('the priority', async () => (await toldView(ann)).filter(({ priority }) => priority === 3).length === 1);
  await ann.sees(`${tileOf('Bob')} video`, people[1]);
  await ann.ev((s) => document.querySelector(`${s} .pin`).click(), tileOf('Bob'));
  await ann.waitFor(`.people ${tileOf('Bob')}`);
  await ann.sees(`${tileOf('Bob')} video`, people[1]);
});

test('a shared screen is large for everybody, the people stay in the strip, and all move', async () => {
  const [ann, bob, cem] = people;
  await ann.click('#bar-screen');
  for (const person of [bob, cem]) {
    await person.waitFor(`.screens .tile[data-source=screen]`);
    const frames = () => person.ev(() => document.querySelector('.tile[data-source=screen] video').getVideoPlaybackQuality().totalVideoFrames);
    const first = await until(`${person.name} sees it`, frames);
    await until('more frames', async () => (await frames()) > first + 3);
    assert.ok(await person.ev(() => document.querySelector('.screens').clientWidth > document.querySelector('.people').clientWidth));
    await person.sees(`${tileOf('Ann')} video`, ann);
  }
  await ann.click('#bar-screen');
  for (const person of [bob, cem]) await until('the screen gone', () => person.ev(() => !document.querySelector('.tile[data-source=screen]')));
});

test('who speaks has a ring, and loses it in silence', async () => {
  const [ann, bob] = people;
  await ann.waitFor(`${tileOf('Bob')}.speaking`);
  await bob.click('#bar-microphone');
  await until('no ring', () => ann.ev((s) => !document.querySelector(s).classList.contains('speaking'), tileOf('Bob')));
  await until('silence', async () => (await ann.ev(listen, `${tileOf('Bob')} video`)).decibel < -90);
  await bob.click('#bar-microphone');
  await ann.hears(`${tileOf('Bob')} video`, bob);
  await ann.waitFor(`${tileOf('Bob')}.speaking`);
});

test('sound only brings no pictures but every voice, and automatic brings them back', async () => {
  const [ann, bob, cem] = people;
  await ann.click('#bar-settings');
  await ann.page.selectOption('#quality', 'sound');
  await until('no picture', () => ann.ev(() => document.querySelectorAll('.tile:not(.me).faceless').length === 3));
  await ann.hears(`${tileOf('Bob')} video`, bob);
  await ann.hears(`${tileOf('Cem')} video`, cem);
  await ann.page.selectOption('#quality', 'auto');
  await ann.click('#bar-settings');
  await until('pictures', () => ann.ev(() => !document.querySelector('.tile:not(.me).faceless')));
  await allMeet(ann, bob);
});

test('a moderator mutes somebody for all', async () => {
  const [ann, bob, cem] = people;
  await ann.click('#bar-people');
  await ann.ev(() => [...document.querySelectorAll('[data-action="people.mute"]')].find((b) => b.getAttribute('aria-label').includes('Bob')).click());
  await bob.waitFor('#bar-microphone[aria-pressed=true]');
  for (const person of [ann, cem]) await until(`${person.name} hears nothing of Bob`, async () => (await person.ev(listen, `${tileOf('Bob')} video`)).decibel < -90);
  await ann.click('#bar-people');
  await bob.click('#bar-microphone');
  await cem.hears(`${tileOf('Bob')} video`, bob);
});

test('chat and a file reach everybody', async () => {
  const [ann, ...others] = people;
  await ann.click('#bar-chat');
  await ann.type('#chat-text', 'hello all');
  await ann.page.keyboard.press('Enter');
  await ann.page.setInputFiles('#chat-file', { name: 'x.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(500_000, 7) });
  for (const person of others) {
    await person.click('#bar-chat');
    await until('the words', async () => (await person.text('.log .theirs .words')) === 'hello all');
    await person.waitFor('[data-accept]');
    await person.click('[data-accept]');
    await person.waitFor('[data-save]');
    await person.click('#bar-chat');
  }
  await until('all have it', () => ann.ev(() => document.querySelectorAll('.file[data-done=sent]').length === 3));
  await ann.click('#bar-chat');
});

test('the connection panel shows the way through the server, and what is sent', async () => {
  const [ann] = people;
  await ann.click('#bar-details');
  await until('pictures up and down', async () => { const text = await ann.text('.details'); return /↑ \w+/.test(text) && /↓ \w+/.test(text); });
  assert.equal(await ann.ev(() => document.querySelectorAll('.details [data-route=server]').length), 4);
  await ann.click('#bar-details');
});

test('who leaves frees the tile, and the rest stay together', async () => {
  const [ann, bob, cem, dan] = people;
  await dan.click('#leave');
  for (const person of [ann, bob, cem]) await tiles(person, 3);
  await allMeet(ann, bob, cem);
});

test('nothing on the pages went wrong', () => { for (const person of people) person.unharmed(); });
