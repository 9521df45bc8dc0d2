// Four people in a room whose media goes through the server, each in a Chromium of their own.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { framesAdvance, heard } from '../../../kit/lab/lib/bare.mjs';
import { allMeet, enter, forwardedConfig, meets, palette } from '../../../kit/lab/lib/forwarded.mjs';
import { listen, until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

let server, browsers, people;
before(async () => {
  [server, ...browsers] = await Promise.all([startTrefoil({ config: forwardedConfig }), ...palette.map(() => launchChromium())]);
});
after(async () => { await Promise.all([...browsers?.map((browser) => browser.close()) ?? [], server?.stop()]); });

/** The connection on which a page receives; the other one sends. */
const receiver = ({ page }, look) => page.evaluate(`(${look})(window.connections.findLast((pc) => pc.getReceivers().length > 5))`);
const sender = ({ page }, look) => page.evaluate(`(${look})(window.connections.findLast((pc) => pc.getReceivers().length <= 5))`);
const silent = ({ page, colour }, other) => until(`${colour} hears nothing of ${other.colour}`, async (note) => {
  const it = await page.evaluate(listen, `#v-${other.id}-camera`);
  note(it);
  return it.decibel < -90;
});

test('each of four sees the colours and hears the tones of all others, and not its own', async () => {
  people = [];
  for (const [n, who] of palette.entries()) people.push(await enter(browsers[n], server.url, 'four', who));
  await allMeet(...people);
  for (const { page, id } of people) {
    assert.equal(await page.evaluate((own) => document.querySelectorAll('video').length === 3 && !document.getElementById(`v-${own}-camera`), id), true);
    assert.equal(await page.evaluate(() => window.connections.length), 2, 'one connection to send and one to receive');
  }
});

test('who is muted by a moderator is heard by nobody, and by everybody when they unmute', async () => {
  const [ann, bob, cem] = people;
  await ann.page.evaluate((id) => T.room.mute(id, { audio: true }), bob.id);
  assert.equal((await heard(bob.page, 'mutedBy')).detail.from, ann.id);
  await Promise.all([silent(ann, bob), silent(cem, bob)]);
  await framesAdvance(cem.page, bob.id);
  await bob.page.evaluate(() => T.microphone.unmute());
  await Promise.all([meets(ann, bob), meets(cem, bob)]);
});

test('a camera that is closed and opened again is seen again', async () => {
  const [ann, bob, cem] = people;
  await bob.page.evaluate(() => T.camera.mute());
  await until('the mark', () => cem.page.evaluate((id) => T.room.participants.find((p) => p.id === id).muted.video, bob.id));
  await until('not received', () => cem.page.evaluate((id) => T.room.publishedBy(id).some(({ source, muted }) => source === 'camera' && muted), bob.id));
  await bob.page.evaluate(() => T.camera.unmute());
  await Promise.all([meets(ann, bob), meets(cem, bob)]);
});

test('who leaves is gone for everybody, who comes (with place for 48 pictures) is seen by everybody, and nobody who stays negotiates again', async () => {
  const [ann, bob, cem, dan] = people;
  await dan.page.evaluate(() => T.room.leave());
  for (const one of [ann, bob, cem]) await until(`Dan gone for ${one.colour}`, () => one.page.evaluate((id) => !document.getElementById(`v-${id}-camera`) && document.querySelectorAll('video').length === 2, dan.id));
  await dan.page.close();
  people[3] = await enter(browsers[3], server.url, 'four', palette[3], { options: { slots: { audio: 16, video: 48 } } });
  await allMeet(...people);
  for (const one of [ann, bob, cem]) assert.equal(await receiver(one, (pc) => pc.descriptions), 1, 'one offer for the whole stay');
});

test('text and bytes reach all, some or one, in order; what may be lost arrives too where nothing is', async () => {
  const [ann, bob, cem, dan] = people;
  await ann.page.evaluate(async ([b, c]) => {
    await T.room.sendData('to Bob', b);
    await T.room.sendData(new Uint8Array([1, 2, 255]), { to: [b, c] });
    const sent = [];
    for (let n = 0; n < 200; n++) sent.push(T.room.sendData(String(n)));
    await Promise.all(sent);
    await T.room.sendData('perhaps', { reliable: false });
  }, [bob.id, cem.id]);
  const all = [...Array(200).keys()].map(String);
  for (const [one, before] of [[bob, ['to Bob', [1, 2, 255]]], [cem, [[1, 2, 255]]], [dan, []]]) {
    const got = await until(`all of it at ${one.colour}`, async (note) => {
      const data = await one.page.evaluate(() => T.data);
      note(data.length);
      return data.some(([, d]) => d === 'perhaps') && data.length === before.length + 201 && data;
    });
    assert.ok(got.every(([from]) => from === ann.id));
    assert.deepEqual(got.map(([, data]) => data).filter((data) => data !== 'perhaps'), [...before, ...all]);
  }
  assert.deepEqual(await ann.page.evaluate(() => T.data), [], 'nothing comes back');
  assert.equal(await ann.page.evaluate(() => T.room.sendData(new Uint8Array(70_000)).catch((error) => error.code)), 'too_large');
  assert.equal(await ann.page.evaluate(() => T.room.sendData('x', 'p_nobody').catch((error) => error.code)), 'no_channel');
});

test('chat goes to everybody else, and a file of 4 MB to one, through the server', async () => {
  const [ann, bob, cem] = people;
  await ann.page.evaluate(() => T.room.sendMessage({ text: 'hello' }));
  for (const one of [bob, cem]) assert.deepEqual((await heard(one.page, 'message')).detail, { from: ann.id, data: { text: 'hello' } });
  const sent = ann.page.evaluate(async (to) => {
    const bytes = new Uint8Array(4_000_000);
    for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    await T.room.sendFile(new File([bytes], 'x.bin'), to).done;
    return T.sdk.sha256(bytes);
  }, cem.id);
  await until('the offer', () => cem.page.evaluate(() => T.files.length === 1));
  const got = await cem.page.evaluate(async () => T.sdk.sha256(new Uint8Array(await (await T.files[0].accept()).arrayBuffer())));
  assert.equal(got, await sent);
  assert.equal(await bob.page.evaluate(() => T.files.length), 0);
});

test('a broken WebSocket resumes: the picture never stops, and nothing is negotiated', async () => {
  const [ann, bob] = people, id = await ann.page.evaluate(() => T.room.me.id);
  await ann.page.evaluate(() => { T.events.length = 0; window.socket.close(); });
  await heard(ann.page, 'state');
  await until('resumed', () => ann.page.evaluate(() => T.events.some(({ type, detail }) => type === 'state' && detail === 'connected')));
  await framesAdvance(ann.page, bob.id);
  await framesAdvance(bob.page, ann.id);
  assert.equal(await ann.page.evaluate(() => T.room.me.id), id);
  assert.equal(await ann.page.evaluate(() => window.connections.length), 2);
  await allMeet(ann, bob);
});

test('a change of network restarts ICE both ways and media goes on over the same connections', async () => {
  const [ann, bob] = people, fragment = (pc) => /a=ice-ufrag:(\S+)/.exec(pc.localDescription.sdp)[1];
  const before = await Promise.all([sender(ann, fragment), receiver(ann, fragment)]);
  await ann.page.evaluate(() => window.dispatchEvent(new Event('online')));
  await until('new ICE credentials', async () => (await sender(ann, fragment)) !== before[0] && (await receiver(ann, fragment)) !== before[1]);
  await framesAdvance(ann.page, bob.id);
  await framesAdvance(bob.page, ann.id);
  await allMeet(ann, bob);
  assert.equal(await ann.page.evaluate(() => window.connections.length), 2);
});

test('a connection that is lost is begun anew: what was published is seen again, and what was received too', async () => {
  const [ann, bob, cem] = people;
  await sender(ann, (pc) => pc.close());
  await until('another to send', () => ann.page.evaluate(() => window.connections.length === 3));
  await Promise.all([meets(bob, ann), meets(cem, ann)]);
  await receiver(ann, (pc) => pc.close());
  await until('another to receive', () => ann.page.evaluate(() => window.connections.length === 4));
  await allMeet(ann, bob, cem);
});

test('who becomes a viewer is neither seen nor heard, goes on seeing, and can send again as a speaker', async () => {
  const [ann, bob, cem] = people;
  await ann.page.evaluate((id) => T.room.setRole(id, 'viewer'), bob.id);
  for (const one of [ann, cem]) await until(`${one.colour} sees nothing of Bob`, () => one.page.evaluate((id) => !document.getElementById(`v-${id}-camera`), bob.id));
  await framesAdvance(bob.page, ann.id);
  assert.equal(await bob.page.evaluate(() => T.room.publications.length), 0);
  await ann.page.evaluate((id) => T.room.setRole(id, 'speaker'), bob.id);
  await until('may publish', () => bob.page.evaluate(() => T.room.me.permissions.includes('publish')));
  await bob.page.evaluate(() => T.publish('blue', 1200));
  await allMeet(ann, bob, cem);
});

test('a screen that is shared comes beside the camera, and twenty of them in turn add one m= section', async () => {
  const [ann, bob] = people;
  for (let round = 0; round < 20; round++) {
    await ann.page.evaluate(() => { window.extra = T.room.publish(T.make('lime', 800).camera, { source: 'screen' }); });
    if (round % 10 === 0) await framesAdvance(bob.page, ann.id, 'screen');
    await until('the screen', () => bob.page.evaluate(() => Boolean(document.querySelector('[id$=screen]'))));
    await ann.page.evaluate(() => T.room.unpublish(window.extra));
    await until('the screen gone', () => bob.page.evaluate(() => !document.querySelector('[id$=screen]')));
  }
  assert.equal(await sender(ann, (pc) => pc.getTransceivers().length), 3);
});

test('stats name the path through the server, the round trip, and each track once', async () => {
  const [ann, bob] = people;
  const stats = await until('rates', async () => { const all = await ann.page.evaluate(() => T.room.stats()); return all[bob.id]?.receiveKbps > 0 && all[ann.id]?.sendKbps > 0 && all; });
  assert.equal(stats[bob.id].route, 'server');
  assert.ok(stats[bob.id].roundTripMs >= 0);
  const kinds = (id) => stats[id].tracks.map(({ kind, direction }) => `${direction} ${kind}`).sort();
  assert.deepEqual(kinds(bob.id), ['receive audio', 'receive video']);
  assert.ok(kinds(ann.id).includes('send audio') && kinds(ann.id).includes('send video'));
});

test('the room tells who speaks and how well we receive', async () => {
  const [ann] = people;
  const speakers = await until('all speak', () => ann.page.evaluate(() => T.room.speakers.length === 4 && T.room.speakers));
  assert.deepEqual(speakers.map(({ participant }) => participant).sort(), people.map(({ id }) => id).sort());
  assert.ok(speakers.every(({ level }) => level < 0 && level > -60));
  const { detail } = await heard(ann.page, 'reception');
  assert.ok(['good', 'fair', 'poor'].includes(detail.quality) && detail.estimateKbps > 0);
});
