// Two people at the real page, each in a Chromium of their own: Ann is red and 400 Hz, Bob is blue and 1200 Hz.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { listen, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, red, blue, ann, bob;

before(async () => {
  [server, red, blue] = await Promise.all([
    startTrefoil(), launchChromium({ colour: 'red', hz: 400 }), launchChromium({ colour: 'blue', hz: 1200 }),
  ]);
  ann = await Person.at(red, { name: 'Ann', colour: 'red', hz: 400 });
  bob = await Person.at(blue, { name: 'Bob', colour: 'blue', hz: 1200 });
  await ann.join(`${server.url}r/tea`);
  await bob.join(`${server.url}r/tea`);
});
after(async () => { await Promise.all([red?.close(), blue?.close(), server?.stop()]); });

const tileOf = (name) => `.tile:not(.me)[aria-label="${name}"]`;

test('two people at the page see and hear each other', async () => {
  await allMeet(ann, bob);
});

test('the connection panel shows a direct path and a picture both ways', async () => {
  await ann.click('#bar-details');
  await ann.waitFor('.details [data-route=direct]');
  await until('sending and receiving a picture', async () => {
    const text = await ann.text('.details');
    return /↑ \w+ \d+×\d+/.test(text) && /↓ \w+ \d+×\d+/.test(text);
  });
  await ann.click('#bar-details');
});

test('a muted microphone is silent and marked for the other, and heard again when unmuted', async () => {
  await ann.click('#bar-microphone');
  await until('the mark', () => bob.ev((s) => document.querySelector(`${s} .muted`)?.hidden === false, tileOf('Ann')));
  await until('silence', async (note) => { const heard = await bob.ev(listen, `${tileOf('Ann')} video`); note(heard); return heard.decibel < -90; });
  await ann.click('#bar-microphone');
  await bob.hears(`${tileOf('Ann')} video`, ann);
});

test('a camera that is switched off is closed, and seen again when switched on', async () => {
  await ann.click('#bar-camera');
  await bob.waitFor(`${tileOf('Ann')}.faceless`);
  assert.equal(await ann.ev(() => document.querySelector('.tile.me video').srcObject.getVideoTracks().length), 0);
  await ann.click('#bar-camera');
  await until('the face', () => bob.ev((s) => !document.querySelector(s).classList.contains('faceless'), tileOf('Ann')));
  await bob.sees(`${tileOf('Ann')} video`, ann);
});

test('chat reaches the other, and what looks like markup stays text', async () => {
  const words = '<img src=x onerror="document.title=\'taken\'"> https://example.org/a?b=1';
  await ann.click('#bar-chat');
  await ann.type('#chat-text', words);
  await ann.page.keyboard.press('Enter');
  await bob.waitFor('#bar-chat.unread');
  await bob.click('#bar-chat');
  await until('the words', async () => (await bob.text('.log .theirs .words')) === words);
  assert.equal(await bob.ev(() => document.querySelectorAll('.log img').length), 0);
  assert.equal(await bob.ev(() => document.querySelector('.log .theirs a').href), 'https://example.org/a?b=1');
});

test('a file of 5 MB arrives intact over the data channel', async () => {
  const content = randomBytes(5_000_000), name = '图片 <b>.bin';
  await ann.page.setInputFiles('#chat-file', { name, mimeType: 'application/octet-stream', buffer: content });
  await bob.waitFor('[data-accept]');
  await bob.click('[data-accept]');
  await bob.waitFor('[data-save]');
  const [download] = await Promise.all([bob.page.waitForEvent('download'), bob.click('[data-save]')]);
  const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
  assert.equal(hash(await readFile(await download.path())), hash(content));
  await ann.waitFor('.file[data-done=sent]');
});

test('a file that nobody wants is cancelled for the sender, in words', async () => {
  await bob.page.setInputFiles('#chat-file', { name: 'no.txt', mimeType: 'text/plain', buffer: Buffer.from('no') });
  await ann.waitFor('.file.theirs button:not([data-accept])');
  await ann.click('.file.theirs button:not([data-accept])');
  await until('the words', async () => (await bob.text('.file.mine:last-child')).includes('cancelled'));
  await ann.click('#bar-chat');
  await bob.click('#bar-chat');
});

test('a shared screen is shown large to the other, moves, and goes when it ends', async () => {
  await ann.click('#bar-screen');
  const screen = `.tile[data-participant="${await bob.tile('Ann', 'screen')}"][data-source=screen] video`;
  await until('frames of the screen', async (note) => {
    const count = () => bob.ev((s) => document.querySelector(s).getVideoPlaybackQuality().totalVideoFrames, screen);
    const first = await count();
    note(first);
    return first > 0 && until('more frames', async () => (await count()) > first);
  });
  assert.ok(await bob.ev(() => document.querySelector('.screens').clientWidth > document.querySelector('.people').clientWidth));
  await bob.sees(`${tileOf('Ann')} video`, ann);
  await ann.click('#bar-screen');
  await until('the screen gone', () => bob.ev(() => !document.querySelector('.tile[data-source=screen]')));
});

test('a reload of one side takes the same seat again and both meet again', async () => {
  const was = await bob.tile('Ann');
  await ann.page.reload();
  await ann.enter();
  await ann.inCall();
  await until('a new Ann and only one', () => bob.ev((old) => {
    const others = [...document.querySelectorAll('.tile:not(.me)[data-source=camera]')].map((t) => t.dataset.participant);
    return others.length === 1 && others[0] !== old;
  }, was));
  await allMeet(ann, bob);
});

test('a hostile display name is shown as text', async () => {
  const name = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await ann.click('#leave');
  await ann.waitFor('[data-ended=left]');
  await ann.click('#again');
  const kind = { ...ann, name: name.slice(0, 60) };
  await until('devices', () => ann.ev(() => document.querySelectorAll('[aria-pressed=false]').length === 2));
  await ann.type('#name', kind.name);
  await ann.click('#join');
  const refused = await until('in the room, or refused for the name', () => ann.ev(() => document.querySelector('.call') ? 'in' : document.querySelector('.problem')?.dataset.code));
  if (refused === 'in') {
    await until('the name as text', async () => (await bob.ev(() => document.querySelector('.tile:not(.me) .name')?.textContent)) === kind.name);
    assert.equal(await bob.ev(() => document.querySelectorAll('.tile img, .tile script').length), 0);
    await ann.click('#leave');
  } else assert.equal(refused, 'invalid_name');
  assert.equal(await bob.ev(() => document.title), 'tea · Trefoil');
});

test('somebody who leaves is gone from the page at once, and the page says who is missing', async () => {
  await until('Bob alone', () => bob.ev(() => document.querySelectorAll('.tile:not(.me)').length === 0 && !document.querySelector('.alone').hidden));
});

test('somebody without any device is told so in words, and joins all the same', async (t) => {
  const cem = await Person.at(red, { name: 'Cem' });
  t.after(() => cem.page.close());
  await cem.page.addInitScript(() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('none', 'NotFoundError'); }; });
  await cem.page.goto(`${server.url}r/tea`);
  await until('the words', async () => (await cem.ev(() => [...document.querySelectorAll('.note')].map((n) => n.textContent).join())).includes('None was found'));
  await cem.type('#name', 'Cem');
  await cem.click('#join');
  await cem.inCall();
  await bob.waitFor(`${tileOf('Cem')}.faceless`);
  assert.equal(await bob.ev((s) => document.querySelector(`${s} .muted`).hidden, tileOf('Cem')), false);
  await until('Cem sees Bob', async () => (await cem.tile('Bob')) && cem.ev(() => document.querySelector('.tile:not(.me) video').videoWidth > 0));
  await cem.click('#leave');
  cem.unharmed();
});

test('the page speaks Chinese as soon as it is asked to, and shows the same call', async () => {
  await bob.click('#bar-settings');
  await bob.page.selectOption('#language', 'zh-Hans');
  assert.equal(await bob.ev(() => document.documentElement.lang), 'zh-Hans');
  assert.equal(await bob.text('#leave span'), '离开');
  assert.equal(await bob.ev(() => document.querySelector('#bar-microphone').getAttribute('aria-label')), '静音');
  await bob.page.selectOption('#language', 'en');
  await bob.click('#bar-settings');
});

test('on a phone nothing is wider than the screen and every button can be touched', async () => {
  await bob.page.setViewportSize({ width: 360, height: 740 });
  const narrow = await bob.ev(() => ({
    wide: document.documentElement.scrollWidth > innerWidth,
    small: [...document.querySelectorAll('.bar button')].filter((b) => { const box = b.getBoundingClientRect(); return !b.hidden && (box.width < 40 || box.height < 40 || box.right > innerWidth); }).length,
  }));
  assert.deepEqual(narrow, { wide: false, small: 0 });
});

test('the keys of the bar work, except where something is being written', async () => {
  await bob.page.keyboard.press('m');
  await bob.waitFor('#bar-microphone[aria-pressed=true]');
  await bob.page.keyboard.press('c');
  await bob.waitFor('#chat-text:focus');
  await bob.page.keyboard.press('m');
  assert.equal(await bob.ev(() => document.querySelector('#chat-text').value), 'm');
  assert.equal(await bob.ev(() => document.querySelector('#bar-microphone').getAttribute('aria-pressed')), 'true');
});

test('nothing on either page went wrong', () => { ann.unharmed(); bob.unharmed(); });
