// The demo pages of all doors, in Chromium and Firefox: with their like, with each other, and with our own SDK.
import test, { after, before } from 'node:test';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { openBare } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { Person } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, chromium, firefox;
const require = createRequire(new URL('../../../kit/lab/package.json', import.meta.url));
const VERSIONS = [1, 2, 3, 4], ALONE = 8077;
const folder = mkdtempSync(path.join(os.tmpdir(), 'trefoil-pages-'));
const RED = { name: 'Ann', colour: 'red', hz: 400 }, FOX = { name: 'Fox', colour: 'changing', hz: 1600 };

/** The codelab's page as its authors would serve it: from a folder of their own, with a client from npm. */
function makePages() {
  const demo = new URL('../../demos/socketio/', import.meta.url), page = readFileSync(new URL('index.html', demo), 'utf8');
  for (const script of ['page.js', '../shared.js']) cpSync(new URL(script, demo), path.join(folder, path.basename(script)));
  for (const version of VERSIONS) {
    cpSync(require.resolve(`socket.io-client-${version}/dist/socket.io.js`), path.join(folder, `client-${version}.js`));
    writeFileSync(path.join(folder, `${version}.html`), page.replace('/socket.io/socket.io.js', `/client-${version}.js`));
  }
}

before(async () => {
  makePages();
  const config = `[server.doors.socketio]\nlisten = ["127.0.0.1:${ALONE}"]\nfiles = "${folder}"\n`;
  [server, chromium, firefox] = await Promise.all([startTrefoil({ config }), launchChromium(RED), launchFirefox({ hz: FOX.hz })]);
});
after(async () => {
  await Promise.all([chromium?.close(), firefox?.close(), server?.stop()]);
  rmSync(folder, { recursive: true });
});

/** Somebody at a demo page, which begins at once. */
const at = (t, browser, who, page, start) => beginning(t, browser, who, `${server.url}demos/${page}#${encodeURIComponent(start)}`);

async function beginning(t, browser, who, url) {
  const person = await Person.at(browser, who);
  t.after(() => person.page.close());
  await person.page.goto(url);
  return person;
}

/** Somebody with our own SDK on an empty page. */
async function own(t, browser, who, room) {
  const person = await Person.at(browser, who);
  t.after(() => person.page.close());
  await openBare(person.page, server.url);
  await person.ev((options) => T.join(options), { room, name: who.name });
  await person.ev(([colour, hz]) => T.publish(colour, hz), [who.colour, who.hz]);
  return person;
}

const logs = (person, words) => until(`${person.name} logs "${words}"`, () => person.ev((w) => document.getElementById('log').textContent.includes(w), words));

/** Both see and hear each other, at whatever element shows the other. */
async function meet(one, other, selectors = ['#remote', '#remote']) {
  try {
    for (const [here, there, selector] of [[one, other, selectors[0]], [other, one, selectors[1]]]) {
      await here.sees(selector, there);
      await here.hears(selector, there);
    }
  } catch (error) {
    const said = (person) => person.ev(() => document.getElementById('log')?.textContent.replaceAll(/"?sdp"?.{60,}/g, 'sdp') ?? JSON.stringify(globalThis.T?.events));
    throw new Error(`${error.message}\n${one.name}:\n${await said(one)}\n${other.name}:\n${await said(other)}\n${[...one.faults, ...other.faults].join('\n')}`);
  }
}

test('two pages of the codelab: Chromium calls Firefox, hangs up, and is called back', async (t) => {
  const ann = await at(t, chromium, RED, 'socketio/', 'two');
  await logs(ann, 'got user media');
  const fox = await at(t, firefox, FOX, 'socketio/?transports=polling', 'two');
  await meet(ann, fox);
  await ann.click('#hangup');
  await logs(fox, '<- message bye');
  await ann.click('#form button');
  await meet(ann, fox);
});

for (const version of VERSIONS) {
  const other = 5 - version;
  test(`npm's client ${version} in Chromium and ${other} in Firefox, on pages from a folder at the door's own port`, async (t) => {
    const page = (of) => `http://127.0.0.1:${ALONE}/${of}.html#npm-${version}`;
    const ann = await beginning(t, chromium, RED, page(version));
    await logs(ann, 'got user media');
    const fox = await beginning(t, firefox, FOX, page(other));
    await meet(ann, fox);
  });
}

test('two pages of AppRTC: Firefox calls Chromium over TURN credentials of ours, a third finds the room full, and after a closed tab the next one is called', async (t) => {
  const fox = await at(t, firefox, FOX, 'apprtc/', 'apprtc1');
  await logs(fox, '"type":"offer"');
  const ann = await at(t, chromium, RED, 'apprtc/', 'apprtc1');
  await meet(fox, ann);
  await logs(await at(t, chromium, RED, 'apprtc/', 'apprtc1'), 'the room is full');
  await ann.page.close();
  await logs(fox, '<- {"type":"bye"}');
  await meet(fox, await at(t, chromium, RED, 'apprtc/', 'apprtc1'));
});

test('a browser calls a device, and calls again', async (t) => {
  const device = await at(t, firefox, FOX, 'devices/', '/default/d1|app');
  await logs(device, 'waiting for a call');
  const first = await at(t, chromium, RED, 'devices/', '/default/d1|pc');
  await meet(device, first);
  await first.page.close();
  const second = await at(t, chromium, RED, 'devices/', '/default/d1|pc');
  await meet(device, second);
});

test('a page of the codelab and one of AppRTC call each other', async (t) => {
  const ann = await at(t, chromium, RED, 'apprtc/', 'both1');
  await logs(ann, '"type":"offer"');
  const fox = await at(t, firefox, FOX, 'socketio/', 'both1');
  await meet(ann, fox);
});

test('our own SDK calls a page of the codelab, and an AppRTC page calls our own SDK', async (t) => {
  const ann = await own(t, chromium, RED, 'own1'), fox = await at(t, firefox, FOX, 'socketio/', 'own1');
  await meet(ann, fox, ['video', '#remote']);
  const fay = await at(t, firefox, FOX, 'apprtc/', 'own2');
  await logs(fay, '"type":"offer"');
  const bea = await own(t, chromium, RED, 'own2');
  await meet(bea, fay, ['video', '#remote']);
});
