//! The WebSocket to the server: joins, counts, beats, and after a break resumes where it was (docs/PROTOCOL.md).
import { Emitter } from './emitter.js';
import { TrefoilError, refusal } from './errors.js';

const JOIN_TIMEOUT_MS = 10_000;
const PROBE_MS = 3_000;
const BACKOFF_MS = { first: 250, most: 8_000 };
/** So many messages may wait while the connection is broken; the server keeps no more either. */
const OUTBOX_LIMIT = 256;
/** Ask for an acknowledgement at the latest after so many messages, so that the outbox stays small. */
const ACKNOWLEDGE_EVERY = 128;
/** Said once and not counted: what they say is soon over. */
const PASSING = new Set(['speakers', 'reception']);
/** Closed by the server for something that trying again would not change. @type {Record<number, string>} */
const FINAL_CLOSE = { 4001: 'join_first', 4002: 'misbehaved', 4008: 'misbehaved', 4009: 'too_slow' };

/**
 * One session of messages over as many connections as it takes.
 * @extends {Emitter<{joined: import('./types.js').Joined, message: any, state: 'connected' | 'reconnecting', closed: TrefoilError}>}
 */
export class Signalling extends Emitter {
  #url; #hello; #WebSocket; #reconnectMs;
  /** @type {WebSocket | null} */ #socket = null;
  /** What can be resumed. @type {{token: string, received: number} | null} */ #session = null;
  /** Sent and not yet known to have arrived. @type {object[]} */ #outbox = [];
  /** How many of our messages the server is known to have counted. */ #acknowledged = 0;
  #open = false; #closed = false; #everJoined = false;
  #attempt = 0; #brokenSince = 0; #heard = 0; #hintMs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #deadline;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #beat;

  /**
   * @param {object} options
   * @param {string} options.url  ws: or wss:
   * @param {() => object | Promise<object>} options.hello  the fields of a fresh `join`; asked for again after a lost session
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {number} [options.reconnectSeconds]
   */
  constructor({ url, hello, WebSocket = globalThis.WebSocket, reconnectSeconds = 120 }) {
    super();
    this.#url = url; this.#hello = hello; this.#WebSocket = WebSocket; this.#reconnectMs = reconnectSeconds * 1000;
  }

  /** Connects and joins. Rejects with the refusal, or `network`. @returns {Promise<import('./types.js').Joined>} */
  open() {
    return new Promise((resolve, reject) => {
      this.once('joined', resolve);
      this.once('closed', reject);
      this.#connect();
    });
  }

  /** Sends a message now, or after the break. @param {{type: string} & Record<string, any>} message */
  send(message) {
    if (this.#closed) return;
    this.#outbox.push(message);
    if (this.#open) {
      this.#socket?.send(JSON.stringify(message));
      if (this.#outbox.length % ACKNOWLEDGE_EVERY === 0) this.#ping();
    } else if (this.#outbox.length > OUTBOX_LIMIT) this.#forgetSession();
  }

  /** Says goodbye. No event follows but `closed` with the code `left`. */
  leave() {
    if (this.#open) this.#socket?.send(JSON.stringify({ type: 'leave' }));
    this.#finish(new TrefoilError('left', 'you left the room'));
  }

  /** The network may have changed: find out now rather than at the next heartbeat. */
  probe() {
    if (this.#closed) return;
    if (this.#open) {
      this.#ping();
      clearTimeout(this.#deadline);
      const asked = performance.now();
      this.#deadline = setTimeout(() => { if (this.#heard < asked) this.#broken(); }, PROBE_MS);
    } else if (this.#retry !== undefined) {
      clearTimeout(this.#retry);
      this.#connect();
    }
  }

  #connect() {
    this.#retry = undefined;
    const socket = this.#socket = new this.#WebSocket(this.#url);
    this.#deadline = setTimeout(() => this.#broken(), JOIN_TIMEOUT_MS);
    socket.onopen = async () => {
      try {
        const join = this.#session ? { resume: this.#session } : await this.#hello();
        if (socket === this.#socket) socket.send(JSON.stringify({ type: 'join', version: 1, ...join }));
      } catch (error) {
        if (!(error instanceof TrefoilError) || error.code === 'network') socket.close(); else this.#finish(error);
      }
    };
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#receive(JSON.parse(data)); };
    socket.onclose = ({ code }) => { if (socket === this.#socket) this.#broken(code); };
    socket.onerror = () => {}; // `close` follows
  }

  /** @param {any} message */
  #receive(message) {
    this.#heard = performance.now();
    if (!this.#open) return this.#receiveAnswer(message);
    switch (message.type) {
      case 'pong': return this.#acknowledge(message.received);
      case 'left':
        if (message.reason === 'server_stopping') { this.#hintMs = message.retry_after_ms ?? 0; return this.#forgetSession(); }
        return this.#finish(new TrefoilError(message.reason, `the server ended this: ${message.reason}`));
      case 'refused':
        if (message.of) this.#count();
        break;
      default: if (!PASSING.has(message.type)) this.#count();
    }
    this.emit('message', message);
  }

  /** The answer to `join`. @param {any} message */
  #receiveAnswer(message) {
    if (message.type === 'joined') return this.#joined(message);
    if (message.type === 'left') return this.#finish(new TrefoilError(message.reason, `the server ended this: ${message.reason}`));
    if (message.type !== 'refused') return;
    if (message.code !== 'session_lost') return this.#finish(refusal(message));
    this.#forgetSession();
    this.#drop();
    this.#connect();
  }

  /** @param {import('./types.js').Joined} joined */
  #joined(joined) {
    clearTimeout(this.#deadline);
    this.#open = true; this.#everJoined = true; this.#attempt = 0; this.#brokenSince = 0;
    if (joined.resumed) {
      this.#acknowledge(joined.resume.received);
      for (const message of this.#outbox) this.#socket?.send(JSON.stringify(message));
    } else {
      this.#outbox = []; this.#acknowledged = 0;
    }
    this.#session = { token: joined.resume.token, received: joined.resumed && this.#session ? this.#session.received : 0 };
    const beatMs = (joined.heartbeat_seconds ?? 10) * 1000;
    clearInterval(this.#beat);
    this.#beat = setInterval(() => {
      if (performance.now() - this.#heard > 2 * beatMs) this.#broken(); else this.#ping();
    }, beatMs);
    this.emit('joined', joined);
    this.emit('state', 'connected');
  }

  #ping() {
    if (this.#session) this.#socket?.send(JSON.stringify({ type: 'ping', received: this.#session.received }));
  }
  #count() { if (this.#session) this.#session.received++; }
  #forgetSession() { this.#session = null; this.#outbox = []; }

  /** The server has counted so many of ours. @param {number} received */
  #acknowledge(received) {
    const arrived = Math.min(Math.max(received - this.#acknowledged, 0), this.#outbox.length);
    this.#outbox.splice(0, arrived);
    this.#acknowledged += arrived;
  }

  /** Lets the present connection go without another word from it. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null; this.#open = false;
    clearTimeout(this.#deadline); clearInterval(this.#beat);
    socket?.close();
  }

  /** @param {number} [code] */
  #broken(code) {
    if (this.#closed) return;
    const wasOpen = this.#open;
    this.#drop();
    if (code !== undefined && FINAL_CLOSE[code]) return this.#finish(new TrefoilError(FINAL_CLOSE[code], `the server closed with ${code}`));
    const now = performance.now();
    this.#brokenSince ||= now;
    if (!this.#everJoined || now - this.#brokenSince > this.#reconnectMs) {
      return this.#finish(new TrefoilError('network', `cannot reach ${this.#url}`));
    }
    // Where the server has sent everybody away, it has told each another time to come back.
    const hint = this.#hintMs;
    this.#hintMs = 0;
    const most = Math.min(BACKOFF_MS.first * 2 ** this.#attempt++, BACKOFF_MS.most);
    this.#retry = setTimeout(() => this.#connect(), hint + most * (0.5 + Math.random() / 2));
    if (wasOpen) this.emit('state', 'reconnecting');
  }

  /** @param {TrefoilError} why */
  #finish(why) {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop();
    this.emit('closed', why);
  }
}
