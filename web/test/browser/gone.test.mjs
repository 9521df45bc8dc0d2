// A browser that is gone without a goodbye.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, red, blue, lime;
before(async () => {
  [server, red, blue, lime] = await Promise.all([
    startTrefoil({ config: '[server.rooms]\nmember_limit = 2\n' }),
    launchChromium({ colour: 'red', hz: 400 }), launchChromium({ colour: 'blue', hz: 1200 }), launchChromium({ colour: 'lime', hz: 800 }),
  ]);
});
after(async () => { await Promise.all([red?.close(), blue?.close(), lime?.close(), server?.stop()]); });

test('after kill -9 the seat is held, freed within 20 seconds, and taken by somebody else who is seen and heard', async () => {
  const ann = await Person.at(red, { name: 'Ann', colour: 'red', hz: 400 });
  const bob = await Person.at(blue, { name: 'Bob', colour: 'blue', hz: 1200 });
  const cem = await Person.at(lime, { name: 'Cem', colour: 'lime', hz: 800 });
  const url = `${server.url}r/two-seats`;
  await ann.join(url);
  await bob.join(url);
  await allMeet(ann, bob);
  await cem.page.goto(url);
  await cem.enter();
  await cem.waitFor('.problem[data-code=room_full]');
  await blue.kill();
  const killed = Date.now();
  await until('the seat freed', () => ann.ev(() => document.querySelectorAll('.tile:not(.me)').length === 0), 20 - (Date.now() - killed) / 1000);
  await cem.click('#join');
  await cem.inCall();
  await allMeet(ann, cem);
});
