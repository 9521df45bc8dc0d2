// Four people in a mesh at the real page; one Chromium, each page with a camera and microphone of its own making.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browser;
const people = [['Ann', 'red', 400], ['Bob', 'blue', 1200], ['Cem', 'lime', 800], ['Dan', 'yellow', 1600]].map(([name, colour, hz]) => ({ name, colour, hz }));

before(async () => { [server, browser] = await Promise.all([startTrefoil(), launchChromium()]); });
after(async () => { await Promise.all([browser?.close(), server?.stop()]); });

/** Replaces the devices of a page by a canvas and an oscillator. */
function devices({ colour, hz }) {
  navigator.mediaDevices.getUserMedia = async ({ video }) => {
    if (!video) {
      const context = new AudioContext(), tone = context.createOscillator(), out = context.createMediaStreamDestination();
      tone.frequency.value = hz;
      tone.connect(out);
      tone.start();
      return out.stream;
    }
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 }), picture = canvas.getContext('2d');
    let n = 0;
    setInterval(() => {
      picture.fillStyle = colour;
      picture.fillRect(0, 0, 320, 240);
      picture.fillStyle = 'white';
      picture.fillRect((n += 8) % 310, 0, 10, 240);
    }, 100);
    return canvas.captureStream(10);
  };
}

test('four people see and hear each other, and the rest stay together when one leaves', async () => {
  const here = [];
  for (const who of people) {
    const person = await Person.at(browser, who);
    await person.page.addInitScript(devices, who);
    await person.join(`${server.url}r/four`);
    here.push(person);
  }
  for (const person of here) await until(`${person.name} has four tiles`, () => person.ev(() => document.querySelectorAll('.tile').length === 4));
  await allMeet(...here);
  const gone = here.pop();
  await gone.click('#leave');
  for (const person of here) await until(`${person.name} has three tiles`, () => person.ev(() => document.querySelectorAll('.tile').length === 3));
  await allMeet(...here);
  for (const person of [...here, gone]) person.unharmed();
});
