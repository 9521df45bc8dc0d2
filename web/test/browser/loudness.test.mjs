// At the real page: how loud I hear somebody, in the mix and by themselves; and the keys that pin tiles. All with the keyboard.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { forwardedConfig } from '../../../kit/lab/lib/forwarded.mjs';
import { Person } from '../../../kit/lab/lib/person.mjs';
import { spectrum, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const who = [['Ann', 'red', 400], ['Bob', 'blue', 1200], ['Cem', 'lime', 800]].map(([name, colour, hz]) => ({ name, colour, hz }));
let server, browsers, ann, bob, cem;
before(async () => {
  [server, ...browsers] = await Promise.all([startTrefoil({ config: forwardedConfig }), ...who.map(launchChromium)]);
  [ann, bob, cem] = await Promise.all(who.map((one, n) => Person.at(browsers[n], one)));
  for (const person of [ann, bob, cem]) await person.join(`${server.url}r/loud`);
});
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

const slider = async (name) => `[data-volume="${await ann.tile(name)}"]`;
/** How loud Ann hears Bob and Cem in the mix. */
const mix = (what, expected) => until(what, async (note) => {
  const decibel = await ann.ev(spectrum, ['#mix', [bob.hz, cem.hz]]);
  note(decibel);
  return expected(decibel);
});

test('somebody is quieter by themselves, and a name that is spoken says whose slider it is', async () => {
  await ann.click('#bar-people');
  await ann.waitFor(await slider('Bob'));
  await ann.page.focus(await slider('Bob'));
  assert.equal(await ann.ev(() => document.activeElement.getAttribute('aria-label')), 'How loud you hear Bob');
  for (let n = 0; n < 10; n++) await ann.page.keyboard.press('ArrowLeft');
  const volumes = () => ann.ev(() => Object.fromEntries([...document.querySelectorAll('.tile:not(.me)')].map((tile) => [tile.querySelector('.name').textContent, tile.querySelector('video').volume])));
  assert.deepEqual(await volumes(), { Bob: 0.5, Cem: 1 });
  // Others come and go without taking the slider away from whoever is at it.
  await cem.click('#bar-microphone');
  await until('the mark', () => ann.ev(() => [...document.querySelectorAll('.tile .muted')].some((mark) => !mark.hidden && mark.closest('.tile:not(.me)'))));
  await cem.click('#bar-microphone');
  assert.equal(await ann.ev(() => document.activeElement.value), '50');
});

test('the same holds in the mix, for me alone', async () => {
  await ann.click('#bar-settings');
  await ann.click('#mixed');
  await mix('both in the mix', ([b, c]) => b > -60 && c > -60);
  await ann.click('#bar-people');
  await ann.page.focus(await slider('Bob'));
  await ann.page.keyboard.press('Home');
  await mix('Cem alone', ([b, c]) => b < -70 && c > -60);
  await ann.page.keyboard.press('End');
  await mix('both again', ([b, c]) => b > -60 && c > -60);
  await ann.click('#bar-people');
});

test('a digit pins the tile of that number and takes it back, and none does where something is written', async () => {
  const pinned = () => ann.ev(() => document.querySelector('.screens .tile .name')?.textContent ?? null);
  const keys = await ann.ev(() => Object.fromEntries([...document.querySelectorAll('.tile:not(.me)')].map((tile) => [tile.querySelector('.name').textContent, tile.querySelector('.pin').getAttribute('aria-keyshortcuts')])));
  assert.deepEqual(Object.values(keys).sort(), ['1', '2']);
  for (const name of ['Bob', 'Cem']) {
    await ann.page.keyboard.press(keys[name]);
    assert.equal(await pinned(), name);
  }
  await ann.page.keyboard.press(keys.Cem);
  assert.equal(await pinned(), null);
  await ann.page.keyboard.press('9');
  assert.equal(await pinned(), null, 'there is no ninth');
  await ann.click('#bar-chat');
  await ann.page.focus('#chat-text');
  await ann.page.keyboard.press('1');
  assert.equal(await ann.ev(() => document.querySelector('#chat-text').value), '1');
  assert.equal(await pinned(), null);
  ann.unharmed();
});
