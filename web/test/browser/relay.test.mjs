// Calls that go through our own TURN server and nothing else.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { openBare } from '../../../kit/lab/lib/bare.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, red, blue;
before(async () => {
  [server, red, blue] = await Promise.all([startTrefoil(), launchChromium({ colour: 'red', hz: 400 }), launchChromium({ colour: 'blue', hz: 1200 })]);
});
after(async () => { await Promise.all([red?.close(), blue?.close(), server?.stop()]); });

/** Where our STUN and TURN server listens, as a join is told. */
async function turnUrls() {
  const answer = await fetch(`${server.url}v1/join`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"room":"ask"}' });
  return (await answer.json()).ice_servers.flatMap(({ urls }) => urls).filter((url) => url.startsWith('turn:'));
}

test('two browsers that may only use relays see and hear each other', async () => {
  const ann = await Person.at(red, { name: 'Ann', colour: 'red', hz: 400 }), bob = await Person.at(blue, { name: 'Bob', colour: 'blue', hz: 1200 });
  await ann.join(`${server.url}r/relay?relay`);
  await bob.join(`${server.url}r/relay?relay`);
  await allMeet(ann, bob);
  await ann.click('#bar-details');
  await ann.waitFor('.details [data-route=relay]');
  ann.unharmed();
  bob.unharmed();
});

test('the selected pair is relay on both sides, and the relay is ours', async (t) => {
  const pages = [await red.page(), await blue.page()], ids = [];
  t.after(() => Promise.all(pages.map((page) => page.close())));
  for (const page of pages) {
    await openBare(page, server.url);
    ids.push(await page.evaluate(() => T.join({ room: 'relayed', relayOnly: true })));
    await page.evaluate(() => T.publish('red', 400));
  }
  const ours = await turnUrls();
  assert.ok(ours.length > 0);
  for (const [page, other] of [[pages[0], ids[1]], [pages[1], ids[0]]]) {
    const stats = await until('a selected pair with traffic', async (note) => {
      const all = await page.evaluate(() => T.room.stats());
      note(all);
      return all[other]?.receiveKbps > 0 && all[other];
    });
    assert.equal(stats.route, 'relay');
    assert.equal(stats.local.type, 'relay');
    assert.equal(stats.remote.type, 'relay');
    assert.ok(ours.includes(stats.local.url), `${stats.local.url} is none of ${ours}`);
  }
});

test('Chromium and Firefox call each other through the relay', async () => {
  const firefox = await launchFirefox({ hz: 1600 });
  try {
    const ann = await Person.at(red, { name: 'Ann', colour: 'red', hz: 400 }), fox = await Person.at(firefox, { name: 'Fox', colour: 'changing', hz: 1600 });
    await ann.join(`${server.url}r/fox?relay`);
    await fox.join(`${server.url}r/fox?relay`);
    await allMeet(ann, fox);
  } finally { await firefox.close(); }
});
