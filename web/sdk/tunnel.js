//! Channels between two participants inside the messages that the media server passes on, for files.
//!
//! Each message begins with MARK, then what it is (1 byte), whose number follows (1 byte: 1 if the sender's), the number of
//! the channel (4), and what belongs to it. An opening is repeated until it is answered; what is sent waits until the other
//! side has confirmed what came before, so that nobody is sent more than they take.
const MARK = new TextEncoder().encode('trefoil\0');
const HEAD = MARK.length + 6;
const IS = { plain: 0, open: 1, opened: 2, text: 3, bytes: 4, confirm: 5, close: 6 };
/** So many bytes may be on their way; the server keeps a megabyte for everybody who sends to one participant. */
const WINDOW_BYTES = 64 * 1024;
const OPEN_MS = 1_000, OPEN_TIMES = 15;
/** Channels that one participant may have open to us; more are closed. */
const CHANNELS_LIMIT = 16;
const encoder = new TextEncoder(), decoder = new TextDecoder();

/** @param {Uint8Array} bytes */
const isMarked = (bytes) => bytes.length >= MARK.length && MARK.every((byte, at) => bytes[at] === byte);

/** As much of RTCDataChannel as files need. */
export class ServerChannel extends EventTarget {
  /** @type {RTCDataChannelState} */ readyState = 'connecting';
  bufferedAmountLowThreshold = 0; binaryType = 'arraybuffer';
  /** @type {((event: MessageEvent) => void) | null} */ onmessage = null;
  /** @type {((event: Event) => void) | null} */ onclose = null;
  #say; #over;
  /** @type {{is: number, body: Uint8Array<ArrayBuffer>}[]} */ #queue = [];
  #queued = 0; #unconfirmed = 0; #came = 0; #confirmed = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #opening;

  /** @param {(is: number, body?: Uint8Array<ArrayBuffer>) => void} say @param {() => void} over  it is closed */
  constructor(say, over) { super(); this.#say = say; this.#over = over; }

  get bufferedAmount() { return this.#queued + this.#unconfirmed; }

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data */
  send(data) {
    if (this.readyState !== 'open') throw new DOMException('the channel is not open', 'InvalidStateError');
    const text = typeof data === 'string';
    const body = text ? encoder.encode(data) : ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    this.#queue.push({ is: text ? IS.text : IS.bytes, body: body.slice() });
    this.#queued += body.length;
    this.#flush();
  }

  /** What was sent before still goes out. */
  close() {
    if (this.readyState === 'closed' || this.readyState === 'closing') return;
    const opened = this.readyState === 'open';
    this.readyState = 'closing';
    if (!opened || this.#queue.length === 0) this.finish(true);
  }

  /** Asks the other side for it again and again. */
  open() {
    let times = 0;
    const ask = () => { if (++times > OPEN_TIMES) this.finish(false); else this.#say(IS.open); };
    this.#opening = setInterval(ask, OPEN_MS);
    ask();
  }

  /** The other side has it too. */
  opened() {
    if (this.readyState !== 'connecting') return;
    clearInterval(this.#opening);
    this.readyState = 'open';
    this.dispatchEvent(new Event('open'));
  }

  /** @param {number} is @param {Uint8Array<ArrayBuffer>} body */
  receive(is, body) {
    if (is === IS.opened) return this.opened();
    if (is === IS.close) return this.finish(false);
    if (is === IS.confirm) return body.length === 4 ? this.#confirm(new DataView(body.buffer).getUint32(0)) : undefined;
    if (this.readyState !== 'open' && this.readyState !== 'closing') return;
    const event = new MessageEvent('message', { data: is === IS.text ? decoder.decode(body) : body.slice().buffer });
    this.onmessage?.(event);
    this.dispatchEvent(event);
    this.#came = (this.#came + body.length) >>> 0;
    this.#say(IS.confirm, number32(this.#came));
  }

  /** @param {boolean} tell  the other side */
  finish(tell) {
    if (this.readyState === 'closed') return;
    clearInterval(this.#opening);
    this.readyState = 'closed';
    this.#queue = [];
    if (tell) this.#say(IS.close);
    this.#over();
    const event = new Event('close');
    this.onclose?.(event);
    this.dispatchEvent(event);
  }

  /** @param {number} came  bytes that the other side has taken so far, in 32 bits */
  #confirm(came) {
    const taken = (came - this.#confirmed) >>> 0, before = this.bufferedAmount;
    if (taken > this.#unconfirmed) return; // nonsense
    this.#confirmed = came;
    this.#unconfirmed -= taken;
    this.#flush();
    if (before > this.bufferedAmountLowThreshold && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.dispatchEvent(new Event('bufferedamountlow'));
  }

  #flush() {
    for (let next = this.#queue[0]; next && (this.#unconfirmed === 0 || this.#unconfirmed + next.body.length <= WINDOW_BYTES); next = this.#queue[0]) {
      this.#queue.shift();
      this.#queued -= next.body.length;
      this.#unconfirmed += next.body.length;
      this.#say(next.is, next.body);
    }
    if (this.readyState === 'closing' && this.#queue.length === 0) this.finish(true);
  }
}

/** All channels to all participants. */
export class Tunnel {
  #send; #offered; #made = 0;
  /** By participant, whose number it is, and the number. @type {Map<string, ServerChannel>} */ #channels = new Map();

  /**
   * @param {(to: string, payload: Uint8Array<ArrayBuffer>) => void} send
   * @param {(from: string, channel: RTCDataChannel) => void} offered  somebody has opened one
   */
  constructor(send, offered) { this.#send = send; this.#offered = offered; }

  /** Bytes of the application that look like ours are marked too. @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data */
  static guard(data) {
    if (typeof data === 'string') return data;
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    return isMarked(bytes) ? message(IS.plain, true, 0, bytes) : bytes;
  }

  /** @param {string} to */
  open(to) {
    const channel = this.#make(to, true, ++this.#made);
    channel.open();
    return alike(channel);
  }

  /**
   * Takes what is ours out of the messages that come; gives back what is the application's.
   * @param {string} from @param {string | ArrayBuffer} data @returns {string | ArrayBuffer | null}
   */
  receive(from, data) {
    if (typeof data === 'string') return data;
    const bytes = new Uint8Array(data);
    if (!isMarked(bytes) || bytes.length < HEAD) return data;
    const is = bytes[MARK.length], theirs = bytes[MARK.length + 1] === 1, body = bytes.slice(HEAD);
    if (is === IS.plain) return body.buffer;
    const number = new DataView(data).getUint32(MARK.length + 2);
    const channel = this.#channels.get(key(from, !theirs, number));
    if (is === IS.open && theirs) this.#answer(from, number, channel);
    else if (channel) channel.receive(is, body);
    else if (is !== IS.close) this.#send(from, message(IS.close, !theirs, number));
    return null;
  }

  /** Somebody is gone, and with them their channels. @param {string} participant */
  gone(participant) { for (const [name, channel] of this.#channels) if (name.startsWith(`${participant} `)) channel.finish(false); }

  /** What was on its way is lost: all channels end, on both sides. */
  broken() { for (const channel of [...this.#channels.values()]) channel.finish(true); }

  /** @param {string} from @param {number} number @param {ServerChannel | undefined} known  an opening comes again where the answer was late */
  #answer(from, number, known) {
    const theirs = [...this.#channels.keys()].filter((name) => name.startsWith(`${from} theirs `));
    if (!known && theirs.length >= CHANNELS_LIMIT) return this.#send(from, message(IS.close, false, number));
    const channel = known ?? this.#make(from, false, number);
    if (!known) {
      this.#offered(from, alike(channel));
      channel.opened();
    }
    if (channel.readyState === 'open') this.#send(from, message(IS.opened, false, number));
  }

  /** @param {string} participant @param {boolean} ours @param {number} number */
  #make(participant, ours, number) {
    const name = key(participant, ours, number);
    const channel = new ServerChannel((is, body) => this.#send(participant, message(is, ours, number, body)), () => this.#channels.delete(name));
    this.#channels.set(name, channel);
    return channel;
  }
}

/** For the type checker: files need no more of a channel. @param {ServerChannel} channel */
const alike = (channel) => /** @type {RTCDataChannel} */ (/** @type {unknown} */ (channel));

/** @param {number} number */
function number32(number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** @param {string} participant @param {boolean} ours @param {number} number */
const key = (participant, ours, number) => `${participant} ${ours ? 'ours' : 'theirs'} ${number}`;

/** @param {number} is @param {boolean} ours @param {number} number @param {Uint8Array} [body] */
function message(is, ours, number, body = new Uint8Array()) {
  const bytes = new Uint8Array(HEAD + body.length);
  bytes.set(MARK);
  bytes[MARK.length] = is;
  bytes[MARK.length + 1] = ours ? 1 : 0;
  bytes.set(number32(number), MARK.length + 2);
  bytes.set(body, HEAD);
  return bytes;
}
