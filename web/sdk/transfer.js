//! Files over a data channel of their own: offered, accepted, sent no faster than they go out, checked by SHA-256.
//!
//! On the channel: the sender's `{name, size, type}`, the receiver's `{accept}`, the bytes, the sender's `{sha256}`,
//! the receiver's `{received}`; objects are JSON text, bytes are binary.
import { Emitter } from './emitter.js';
import { TrefoilError } from './errors.js';
import { Sha256 } from './sha256.js';
import { drained, opened } from './channel.js';

export const FILE_LABEL = 'trefoil-file';
const PIECE_BYTES = 16 * 1024;
const READ_BYTES = 1 << 20;
/** Received pieces are folded into a Blob this often, which the browser may keep on disk. */
const FOLD_BYTES = 8 << 20;
const NAME_LENGTH = 255;

/**
 * @typedef {{name: string, size: number, type: string}} FileNote
 * @typedef {{bytes: number, size: number}} Progress
 */

/** @param {unknown} text @returns {any} */
function json(text) {
  try { return typeof text === 'string' ? JSON.parse(text) ?? {} : {}; } catch { return {}; }
}

/** A file on its way out. @extends {Emitter<{progress: Progress}>} */
export class OutgoingFile extends Emitter {
  #channel; #blob;
  /** @type {((error: TrefoilError) => void) | undefined} */ #fail;

  /** @param {RTCDataChannel} channel @param {Blob} blob @param {string} name */
  constructor(channel, blob, name) {
    super();
    this.#channel = channel; this.#blob = blob;
    this.name = name; this.size = blob.size;
    const broken = new Promise((_, reject) => {
      this.#fail = reject;
      channel.addEventListener('close', () => reject(new TrefoilError('transfer_broken', 'the connection ended before the file did')));
    });
    /** Resolves when the other side has the whole file and its hash agrees. @type {Promise<void>} */
    this.done = Promise.race([this.#send(), broken]).then(() => {}).finally(() => channel.close());
    this.done.catch(() => {});
  }

  cancel() {
    this.#fail?.(new TrefoilError('transfer_cancelled', 'cancelled here'));
    this.#channel.close();
  }

  async #send() {
    const channel = this.#channel, blob = this.#blob, hash = new Sha256();
    await opened(channel);
    const answers = replies(channel);
    channel.send(JSON.stringify({ name: this.name, size: blob.size, type: blob.type }));
    if (!(await answers()).accept) throw new TrefoilError('transfer_cancelled', 'the other side did not want the file');
    for (let at = 0; at < blob.size; at += READ_BYTES) {
      const bytes = new Uint8Array(await blob.slice(at, at + READ_BYTES).arrayBuffer());
      hash.update(bytes);
      for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
        await drained(channel);
        channel.send(bytes.subarray(from, from + PIECE_BYTES));
      }
      this.emit('progress', { bytes: at + bytes.length, size: blob.size });
    }
    channel.send(JSON.stringify({ sha256: hash.hex() }));
    if (!(await answers()).received) throw new TrefoilError('hash_mismatch', 'the file did not arrive intact');
  }
}

/** The text messages of a channel, one promise each. @param {RTCDataChannel} channel */
function replies(channel) {
  /** @type {any[]} */ const waiting = [];
  /** @type {((reply: any) => void) | undefined} */ let wanted;
  channel.addEventListener('message', ({ data }) => {
    const reply = json(data), give = wanted;
    wanted = undefined;
    if (give) give(reply); else if (waiting.length < 2) waiting.push(reply);
  });
  return () => new Promise((/** @type {(reply: any) => void} */ resolve) => {
    if (waiting.length) resolve(waiting.shift()); else wanted = resolve;
  });
}

/** A file that somebody offers. Nothing is received before `accept`. @extends {Emitter<{progress: Progress}>} */
export class IncomingFile extends Emitter {
  #channel; #hash = new Sha256(); #bytes = 0;
  /** @type {BlobPart[]} */ #pieces = [];
  #unfolded = 0;
  /** @type {{resolve: (file: File) => void, reject: (error: TrefoilError) => void} | undefined} */ #waiting;

  /** @param {RTCDataChannel} channel @param {FileNote} note @param {string} from */
  constructor(channel, note, from) {
    super();
    this.#channel = channel; this.from = from;
    this.name = note.name; this.size = note.size; this.type = note.type;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => { if (typeof data === 'string') this.#end(json(data)); else this.#piece(new Uint8Array(data)); };
    channel.onclose = () => this.#fail(new TrefoilError('transfer_broken', 'the connection ended before the file did'));
  }

  /** Receives the file. Rejects with `hash_mismatch`, `transfer_broken` or `transfer_cancelled`. @returns {Promise<File>} */
  accept() {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#channel.readyState !== 'open') return this.#fail(new TrefoilError('transfer_broken', 'the sender is gone'));
      this.#channel.send(JSON.stringify({ accept: true }));
    });
  }

  /** Does not want it, or no longer. */
  cancel() {
    if (this.#channel.readyState === 'open' && !this.#waiting) this.#channel.send(JSON.stringify({ accept: false }));
    else this.#channel.close();
    this.#fail(new TrefoilError('transfer_cancelled', 'cancelled here'));
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  #piece(bytes) {
    if (!this.#waiting) return;
    this.#bytes += bytes.length; this.#unfolded += bytes.length;
    if (this.#bytes > this.size) {
      this.#channel.close();
      return this.#fail(new TrefoilError('transfer_broken', 'more came than was announced'));
    }
    this.#hash.update(bytes);
    this.#pieces.push(bytes);
    if (this.#unfolded >= FOLD_BYTES) { this.#pieces = [new Blob(this.#pieces)]; this.#unfolded = 0; }
    this.emit('progress', { bytes: this.#bytes, size: this.size });
  }

  /** @param {any} word */
  #end(word) {
    const waiting = this.#waiting;
    if (!waiting || typeof word.sha256 !== 'string') return;
    const intact = this.#bytes === this.size && this.#hash.hex() === word.sha256;
    this.#channel.send(JSON.stringify({ received: intact }));
    if (!intact) return this.#fail(new TrefoilError('hash_mismatch', 'the file did not arrive intact'));
    this.#waiting = undefined;
    waiting.resolve(new File(this.#pieces, this.name, { type: this.type }));
    this.#pieces = [];
  }

  /** @param {TrefoilError} why */
  #fail(why) {
    this.#waiting?.reject(why);
    this.#waiting = undefined;
    this.#pieces = [];
  }
}

/**
 * Waits for the offer on a channel that somebody opened; a channel that begins with anything else is closed.
 * @param {RTCDataChannel} channel @param {string} from @param {(file: IncomingFile) => void} offered
 */
export function awaitOffer(channel, from, offered) {
  channel.onmessage = ({ data }) => {
    const { name, size, type } = json(data);
    if (typeof name !== 'string' || !Number.isSafeInteger(size) || size < 0) return channel.close();
    offered(new IncomingFile(channel, { name: name.slice(0, NAME_LENGTH), size, type: String(type ?? '').slice(0, NAME_LENGTH) }, from));
  };
}
