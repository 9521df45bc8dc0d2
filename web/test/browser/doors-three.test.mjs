// People of different doors in one room of three, where the media server is "the other": by tones heard and colours seen.
import test, { after, before } from 'node:test';
import { openBare } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { watched } from '../../../kit/lab/lib/forwarded.mjs';
import { Person } from '../../../kit/lab/lib/person.mjs';
import { spectrum, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, chromium, another, firefox;
const RED = { name: 'Ann', colour: 'red', hz: 400 }, BLUE = { name: 'Own', colour: 'blue', hz: 1200 }, FOX = { name: 'Fox', colour: 'changing', hz: 1600 };
const config = '[server.rooms]\ntopology = "sfu"\n[media]\nlisten = ["127.0.0.1:0"]\n';

before(async () => { [server, chromium, another, firefox] = await Promise.all([startTrefoil({ config }), launchChromium(RED), launchChromium(BLUE), launchFirefox({ hz: FOX.hz })]); });
after(async () => { await Promise.all([chromium, another, firefox].map((browser) => browser?.close())); await server?.stop(); });

/** Somebody on an empty page or a page of ours, closed after the test; what goes over the wire is told if the test fails. */
async function person(t, browser, who) {
  const one = await Person.at(browser, who);
  t.after(async () => {
    if (t.passed === false) t.diagnostic(`${who.name}: ${await one.ev(() => document.getElementById('log')?.textContent ?? '').catch(String)} ${one.faults.join('\n')}\n${server.output.slice(-2000)}`);
    await one.page.close();
  });
  return one;
}

/** Somebody at a demo page, which begins at once. */
async function at(t, browser, who, page, start) {
  const one = await person(t, browser, who);
  if (browser.name === 'chromium') await watched(one.page);
  await one.page.goto(`${server.url}demos/${page}#${encodeURIComponent(start)}`);
  return one;
}

/** What plays there holds the tones of these and none of those. */
async function mixes(one, selector, others, but) {
  await until(`${one.name} hears ${others.map(({ name }) => name)} and not ${but.map(({ name }) => name)}`, async (note) => {
    const decibel = await one.ev(spectrum, [selector, [...others, ...but].map(({ hz }) => hz)]);
    note(decibel);
    return decibel.slice(0, others.length).every((d) => d > -60) && decibel.slice(others.length).every((d) => d < -65);
  });
}

/** The microphone of a demo page is silent, or not. */
const silence = (one, silent) => one.ev((off) => { document.getElementById('local').srcObject.getAudioTracks()[0].enabled = !off; }, silent);

/** The tile at our own page of whoever looks and sounds like this. */
async function ownMeets(own, other) {
  const tiles = '.tile:not(.me)[data-source=camera]';
  await until(`${own.name} has tiles`, () => own.ev((s) => document.querySelectorAll(`${s} video`).length === 2, tiles));
  const ids = await own.ev((s) => [...document.querySelectorAll(s)].map((tile) => tile.dataset.participant), tiles);
  const selectors = ids.map((id) => `.tile[data-participant="${id}"][data-source=camera] video`);
  const found = await until(`${own.name} hears ${other.name}`, async (note) => {
    const decibel = await Promise.all(selectors.map(async (selector) => (await own.ev(spectrum, [selector, [other.hz]]))[0]));
    note(decibel);
    return decibel.filter((d) => d > -60).length === 1 && selectors[decibel.findIndex((d) => d > -60)];
  });
  await own.sees(found, other);
}

test('a codelab page, an AppRTC page and our own page hear both others, and see whoever speaks', async (t) => {
  const own = await person(t, another, BLUE);
  await own.join(`${server.url}r/three`);
  const ann = await at(t, chromium, RED, 'socketio/', 'three'), fox = await at(t, firefox, FOX, 'apprtc/', 'three');
  await mixes(ann, '#remote', [BLUE, FOX], [RED]);
  await mixes(fox, '#remote', [BLUE, RED], [FOX]);
  for (const other of [ann, fox]) await ownMeets(own, other);

  // One voice at a time: the picture follows it.
  await silence(fox, true);
  await ann.sees('#remote', BLUE);
  await own.click('#bar-microphone');
  await fox.sees('#remote', RED);
  await silence(ann, true);
  await silence(fox, false);
  await ann.sees('#remote', FOX);
  await mixes(ann, '#remote', [FOX], [RED, BLUE]);
  await silence(fox, true);
  await own.click('#bar-microphone');
  await fox.sees('#remote', BLUE);
  await mixes(fox, '#remote', [BLUE], [FOX, RED]);

  // A connection that breaks is told in the words of the door, and the page calls anew.
  await ann.ev(() => { const [first] = window.connections; first.close(); });
  await until('Ann calls anew', () => ann.ev(() => window.connections.length === 2 && window.connections[1].connectionState === 'connected'));
  await silence(ann, false);
  await mixes(ann, '#remote', [BLUE], [RED, FOX]);
  await mixes(fox, '#remote', [BLUE, RED], [FOX]);
});

test('a device and the browser that calls it both reach the media server, and each other through it', async (t) => {
  const device = await at(t, firefox, FOX, 'devices/', '/default/gate|app'), browser = await at(t, chromium, RED, 'devices/', '/default/gate|pc');
  for (const [one, other] of [[device, browser], [browser, device]]) {
    await mixes(one, '#remote', [other], [one]);
    await one.sees('#remote', other);
  }
});

test('two DotVoice pages and our own in a mixed room: each hears both others in one stream and never itself', async (t) => {
  const ann = await at(t, chromium, RED, 'dotvoice/', 'voices|ann'), fox = await at(t, firefox, FOX, 'dotvoice/', 'voices|fox');
  await mixes(ann, '#remote', [FOX], [RED, BLUE]);
  const own = await person(t, another, BLUE);
  await openBare(own.page, server.url);
  await own.ev((options) => T.join(options), { room: 'voices', name: 'Own' });
  await own.ev(([colour, hz]) => T.publish(colour, hz), [BLUE.colour, BLUE.hz]);
  await mixes(own, '#mix', [RED, FOX], [BLUE]);
  await mixes(ann, '#remote', [FOX, BLUE], [RED]);
  await mixes(fox, '#remote', [RED, BLUE], [FOX]);
  // Muted by the protocol, not by the browser.
  await ann.click('#muted');
  await mixes(fox, '#remote', [BLUE], [FOX, RED]);
  await until('ann is muted in the list', () => own.ev(() => T.room.participants.find(({ name }) => name === 'ann').muted.audio));
});
