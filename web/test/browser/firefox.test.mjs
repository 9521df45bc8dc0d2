// Chromium and Firefox at the real page, in both orders: whoever was inside first makes the offer.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, chromium, firefox, ann, fox;

before(async () => {
  [server, chromium, firefox] = await Promise.all([startTrefoil(), launchChromium({ colour: 'red', hz: 400 }), launchFirefox({ hz: 1600 })]);
  ann = await Person.at(chromium, { name: 'Ann', colour: 'red', hz: 400 });
  fox = await Person.at(firefox, { name: 'Fox', colour: 'changing', hz: 1600 });
});
after(async () => { await Promise.all([chromium?.close(), firefox?.close(), server?.stop()]); });

test('Chromium offers, Firefox answers: both see and hear each other', async () => {
  await ann.join(`${server.url}r/one`);
  await fox.join(`${server.url}r/one`);
  await allMeet(ann, fox);
});

test('Firefox offers, Chromium answers: both see and hear each other', async () => {
  await fox.join(`${server.url}r/two`);
  await ann.join(`${server.url}r/two`);
  await allMeet(ann, fox);
});

test('Firefox can close its camera and open it again', async () => {
  await fox.click('#bar-camera');
  await ann.waitFor('.tile:not(.me).faceless');
  await fox.click('#bar-camera');
  await until('the face', () => ann.ev(() => !document.querySelector('.tile:not(.me)').classList.contains('faceless')));
  await allMeet(ann, fox);
});

test('a file from Firefox arrives in Chromium', async () => {
  await fox.click('#bar-chat');
  await fox.ev(() => {
    const picked = new DataTransfer();
    picked.items.add(new File([new Uint8Array(2_000_000).fill(7)], 'seven.bin'));
    const input = document.querySelector('#chat-file');
    input.files = picked.files;
    input.dispatchEvent(new Event('change'));
  });
  await ann.click('#bar-chat');
  await ann.waitFor('[data-accept]');
  await ann.click('[data-accept]');
  await ann.waitFor('[data-save]');
  await fox.waitFor('.file[data-done=sent]');
});

test('nothing on the pages went wrong', () => { ann.unharmed(); fox.unharmed(); });
