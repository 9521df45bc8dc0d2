// Files over a data channel, with two channel ends that a test can tamper with.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Blob, File } from 'node:buffer';
import { BUFFER_BYTES } from '../../sdk/channel.js';
import { Sha256, sha256 } from '../../sdk/sha256.js';
import { OutgoingFile, awaitOffer } from '../../sdk/transfer.js';

globalThis.File ??= File;

/** One end of a channel; what is sent waits in `bufferedAmount` and then reaches the other end through `tamper`. */
class End extends EventTarget {
  readyState = 'open'; bufferedAmount = 0; bufferedAmountLowThreshold = 0; mostBuffered = 0;
  onmessage = null; onclose = null; tamper = (data) => data;
  #queue = [];

  send(data) {
    if (this.readyState !== 'open') throw new Error('not open');
    this.bufferedAmount += data.byteLength ?? data.length;
    this.mostBuffered = Math.max(this.mostBuffered, this.bufferedAmount);
    this.#queue.push(data.buffer ? data.slice().buffer : data);
    if (this.#queue.length === 1) setImmediate(() => this.#deliver());
  }
  #deliver() {
    for (const data of this.#queue.splice(0, 40)) {
      const above = this.bufferedAmount > this.bufferedAmountLowThreshold;
      this.bufferedAmount -= data.byteLength ?? data.length;
      if (above && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.dispatchEvent(new Event('bufferedamountlow'));
      const event = Object.assign(new Event('message'), { data: this.tamper(data) });
      this.other.onmessage?.(event);
      this.other.dispatchEvent(event);
    }
    if (this.#queue.length) setImmediate(() => this.#deliver()); else if (this.readyState === 'closing') this.#closed();
  }
  close() {
    if (this.readyState !== 'open') return;
    this.readyState = 'closing';
    if (!this.#queue.length) this.#closed();
  }
  #closed() {
    for (const end of [this, this.other]) {
      if (end.readyState === 'closed') continue;
      end.readyState = 'closed';
      end.onclose?.();
      end.dispatchEvent(new Event('close'));
    }
  }
}

function transfer(content, name = 'a.bin') {
  const [here, there] = [new End(), new End()];
  here.other = there; there.other = here;
  const offered = new Promise((done) => awaitOffer(there, 'p_x', done));
  return { here, there, offered, outgoing: new OutgoingFile(here, new Blob([content], { type: 'text/plain' }), name) };
}

test('our SHA-256 agrees with another implementation at every length and in pieces', () => {
  for (let length = 0; length < 260; length++) {
    const bytes = randomBytes(length), hash = createHash('sha256').update(bytes).digest('hex');
    assert.equal(sha256(bytes), hash, `length ${length}`);
    assert.equal(new Sha256().update(bytes.subarray(0, length / 3)).update(bytes.subarray(length / 3)).hex(), hash, `length ${length} in two pieces`);
  }
});

test('a file arrives intact with its name and type, and both sides learn of it', async () => {
  const content = randomBytes(3_000_001), { offered, outgoing } = transfer(content, '图.bin');
  const incoming = await offered, sizes = [];
  assert.deepEqual([incoming.name, incoming.size, incoming.type, incoming.from], ['图.bin', content.length, 'text/plain', 'p_x']);
  incoming.on('progress', ({ bytes }) => sizes.push(bytes));
  const file = await incoming.accept();
  await outgoing.done;
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), content);
  assert.equal(sizes.at(-1), content.length);
});

test('an empty file is a file', async () => {
  const { offered, outgoing } = transfer('');
  assert.equal((await (await offered).accept()).size, 0);
  await outgoing.done;
});

test('a sender waits for its channel to drain', async () => {
  const { here, offered, outgoing } = transfer(randomBytes(8_000_000));
  await (await offered).accept();
  await outgoing.done;
  assert.ok(here.mostBuffered <= BUFFER_BYTES + 16 * 1024, `${here.mostBuffered} bytes waited`);
});

test('one wrong byte is noticed by both sides', async () => {
  const { here, offered, outgoing } = transfer(randomBytes(100_000));
  let changed = false;
  here.tamper = (data) => {
    if (typeof data === 'string' || changed) return data;
    changed = true;
    const bytes = new Uint8Array(data);
    bytes[7] ^= 1;
    return bytes.buffer;
  };
  await assert.rejects((await offered).accept(), { code: 'hash_mismatch' });
  await assert.rejects(outgoing.done, { code: 'hash_mismatch' });
});

test('a sender that sends more than it announced is cut off', async () => {
  const { here, offered } = transfer(randomBytes(1000));
  here.tamper = (data) => (typeof data === 'string' ? data : new ArrayBuffer(2000));
  await assert.rejects((await offered).accept(), { code: 'transfer_broken' });
});

test('a connection that ends ends the transfer on both sides', async () => {
  const { there, offered, outgoing } = transfer(randomBytes(5_000_000));
  const incoming = await offered, accepted = incoming.accept();
  incoming.once('progress', () => there.close());
  await assert.rejects(accepted, { code: 'transfer_broken' });
  await assert.rejects(outgoing.done, (error) => ['transfer_broken', 'no_channel'].includes(error.code));
});

test('a file that is declined, or withdrawn, is cancelled', async () => {
  const declined = transfer('x');
  (await declined.offered).cancel();
  await assert.rejects(declined.outgoing.done, { code: 'transfer_cancelled' });
  const withdrawn = transfer('x'), incoming = await withdrawn.offered;
  withdrawn.outgoing.cancel();
  await assert.rejects(withdrawn.outgoing.done, { code: 'transfer_cancelled' });
  await assert.rejects(incoming.accept(), { code: 'transfer_broken' });
});

test('a channel that begins with nonsense is closed', () => {
  for (const nonsense of ['', '{', '[]', 'null', '{"name":1,"size":2}', '{"name":"a","size":-1}', '{"name":"a","size":1e300}']) {
    const end = new End();
    end.other = new End();
    awaitOffer(end, 'p_x', () => assert.fail(`taken for an offer: ${nonsense}`));
    end.onmessage({ data: nonsense });
    assert.equal(end.readyState, 'closed', nonsense);
  }
});
