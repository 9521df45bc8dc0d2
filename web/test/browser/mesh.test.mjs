// Four people in a mesh at the real page, each in a Chromium of their own.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browsers;
const people = [['Ann', 'red', 400], ['Bob', 'blue', 1200], ['Cem', 'lime', 800], ['Dan', 'yellow', 1600]].map(([name, colour, hz]) => ({ name, colour, hz }));

before(async () => { [server, ...browsers] = await Promise.all([startTrefoil({ config: '[server.rooms]\ntopology = "p2p"\n' }), ...people.map(launchChromium)]); });
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

test('four people see and hear each other, and the rest stay together when one leaves', async () => {
  const here = [];
  for (const [n, who] of people.entries()) {
    const person = await Person.at(browsers[n], who);
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
