// Channels for files inside the messages that the server passes on, with a server that can hold and lose them.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Blob, File } from 'node:buffer';
import { OutgoingFile, awaitOffer } from '../../sdk/transfer.js';
import { Tunnel } from '../../sdk/tunnel.js';

globalThis.File ??= File;

/** Ann and Bob, and what lies between them; `most` is what was on its way to Bob at most. */
function two({ pass = () => true } = {}) {
  const offered = [], given = [], line = { bytes: 0, most: 0 };
  const carry = (to, from) => (_, payload) => {
    if (!pass(payload)) return;
    if (to === 'bob') { line.bytes += payload.length; line.most = Math.max(line.most, line.bytes); }
    setImmediate(() => {
      if (to === 'bob') line.bytes -= payload.length;
      const rest = ends[to].receive(from, payload.buffer);
      if (rest !== null) given.push(rest);
    });
  };
  const ends = {
    ann: new Tunnel(carry('bob', 'ann'), () => {}),
    bob: new Tunnel(carry('ann', 'bob'), (from, channel) => awaitOffer(channel, from, (file) => offered.push(file))),
  };
  const offer = async () => { while (!offered.length) await new Promise(setImmediate); return offered.shift(); };
  return { ...ends, offer, given, line };
}

test('a file goes through and arrives whole, and no more is on its way than was taken', async () => {
  const { ann, offer, line } = two(), content = randomBytes(2_000_003);
  const outgoing = new OutgoingFile(ann.open('bob'), new Blob([content]), 'a.bin');
  const incoming = await offer();
  assert.deepEqual([incoming.name, incoming.size, incoming.from], ['a.bin', content.length, 'ann']);
  const file = await incoming.accept();
  await outgoing.done;
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), content);
  assert.ok(line.most < 70_000, `${line.most} bytes were on their way`);
});

test('several files at a time do not get into each other’s way', async () => {
  const { ann, offer } = two(), contents = [1, 2, 3].map((n) => Buffer.alloc(300_000, n));
  const outgoing = contents.map((content, n) => new OutgoingFile(ann.open('bob'), new Blob([content]), `${n}`));
  for (const _ of contents) {
    const incoming = await offer(), file = await incoming.accept();
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), contents[Number(incoming.name)]);
  }
  await Promise.all(outgoing.map(({ done }) => done));
});

test('a channel to somebody who is not connected yet is asked for again', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let connected = false;
  const { ann, offer } = two({ pass: () => connected });
  const outgoing = new OutgoingFile(ann.open('bob'), new Blob(['x']), 'a');
  connected = true;
  t.mock.timers.tick(1000);
  await (await offer()).accept();
  await outgoing.done;
});

test('a channel that nobody answers ends', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { ann } = two({ pass: () => false }), { done } = new OutgoingFile(ann.open('bob'), new Blob(['x']), 'a');
  t.mock.timers.tick(20_000);
  await assert.rejects(done, { code: 'transfer_broken' });
});

test('who declines or withdraws ends it for both', async () => {
  const { ann, offer } = two();
  const declined = new OutgoingFile(ann.open('bob'), new Blob(['x']), 'a');
  (await offer()).cancel();
  await assert.rejects(declined.done, { code: 'transfer_cancelled' });
  const withdrawn = new OutgoingFile(ann.open('bob'), new Blob([randomBytes(3_000_000)]), 'b'), incoming = await offer(), accepted = incoming.accept();
  incoming.once('progress', () => withdrawn.cancel());
  await assert.rejects(accepted, { code: 'transfer_broken' });
});

test('a connection that breaks, or a participant who goes, ends what was under way', async () => {
  const { ann, bob, offer } = two();
  for (const end of [() => ann.broken(), () => bob.gone('ann')]) {
    const outgoing = new OutgoingFile(ann.open('bob'), new Blob([randomBytes(500_000)]), 'a'), incoming = await offer(), accepted = incoming.accept();
    incoming.once('progress', end);
    await assert.rejects(accepted, { code: 'transfer_broken' });
    ann.gone('bob');
    await assert.rejects(outgoing.done, (error) => ['transfer_broken', 'no_channel'].includes(error.code));
  }
});

test('more than sixteen channels of one participant are closed', async () => {
  const { ann } = two(), channels = Array.from({ length: 17 }, () => ann.open('bob'));
  await new Promise((done) => channels[16].addEventListener('close', done));
  assert.equal(channels.filter(({ readyState }) => readyState === 'open').length, 16);
});

test('messages of the application pass, even those that look like ours', async () => {
  const { ann, bob } = two();
  for (const bytes of [new Uint8Array([1, 2]), new TextEncoder().encode('trefoil\0'), new TextEncoder().encode('trefoil\0\x03\x01abcd'), new Uint8Array()]) {
    const guarded = Tunnel.guard(bytes);
    assert.deepEqual([...new Uint8Array(bob.receive('ann', guarded.slice().buffer))], [...bytes]);
  }
  assert.equal(bob.receive('ann', 'text'), 'text');
  assert.equal(Tunnel.guard('text'), 'text');
  for (let n = 0; n < 300; n++) ann.receive('bob', new Uint8Array([...Buffer.from('trefoil\0'), ...randomBytes(n % 40)]).buffer);
});
