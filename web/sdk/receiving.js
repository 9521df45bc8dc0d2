//! The connection on which we receive everything from the media server, with the data channels beside it.
import { Emitter } from './emitter.js';
import { Path, Patience } from './path.js';
import { slender } from './sdp.js';

/**
 * `tracks`: there are other receivers than before.
 * @extends {Emitter<{state: RTCPeerConnectionState, tracks: Map<string, MediaStreamTrack>, data: ArrayBuffer, broken: void}>}
 */
export class Receiving extends Emitter {
  #send; #configuration; #slots;
  /** @type {RTCPeerConnection | null} */ #pc = null;
  /** @type {Path | undefined} */ #path;
  #patience = new Patience();
  /** The ordered one and the other. @type {[RTCDataChannel, RTCDataChannel] | null} */ #channels = null;
  /** Receivers' tracks by mid. @type {Map<string, MediaStreamTrack>} */ #tracks = new Map();
  /** What was asked for and not yet offered. @type {'anew' | 'restart' | null} */ #asked = null;
  /** What is to be asked for after that. @type {'anew' | 'restart' | null} */ #next = null;
  /** @type {((pc: RTCPeerConnection | null) => void)[]} */ #waiting = [];
  #closed = false;

  /** @param {(message: any) => void} send @param {RTCConfiguration} configuration @param {{audio?: number, video?: number}} slots */
  constructor(send, configuration, slots) { super(); this.#send = send; this.#configuration = configuration; this.#slots = slots; }

  get pc() { return this.#pc; }
  get tracks() { return this.#tracks; }

  begin() { this.#ask('anew'); }

  /** Another way to the server, over whatever network there is now. */
  restart() { if (this.#pc) this.#ask('restart'); }

  /** The server has let go of the one that it knew; another may be on its way already. */
  lost() { if (this.#asked !== 'anew') this.renew(); }

  /** It is of no more use. */
  renew() { this.#patience.wait(() => this.#ask('anew')); }

  /** @param {RTCConfiguration} configuration  for the next gathering */
  configure(configuration) {
    this.#configuration = { ...this.#configuration, ...configuration };
    this.#pc?.setConfiguration({ ...this.#pc.getConfiguration(), ...configuration });
  }

  /** The channel to send on, as soon as there is one; null once this is closed. @param {boolean} reliable @returns {Promise<RTCDataChannel | null>} */
  async channel(reliable) {
    if (!this.#pc && !this.#closed) await new Promise((/** @type {(pc: RTCPeerConnection | null) => void} */ made) => { this.#waiting.push(made); });
    return this.#channels?.[reliable ? 0 : 1] ?? null;
  }

  /** @param {string} sdp */
  async offered(sdp) {
    const kind = this.#asked ?? 'anew';
    this.#asked = null;
    if (this.#closed) return;
    const pc = kind === 'restart' && this.#pc ? this.#pc : this.#make();
    try {
      await pc.setRemoteDescription({ type: 'offer', sdp });
      await pc.setLocalDescription(); // never ends if it is closed meanwhile
      if (pc !== this.#pc || !pc.localDescription) return;
      this.#send({ type: 'answer', sdp: slender(pc.localDescription.sdp) });
    } catch (error) {
      if (pc !== this.#pc) return;
      console.warn('trefoil: an offer could not be answered', error);
      return this.renew();
    }
    this.#tracks = new Map(pc.getTransceivers().flatMap(({ mid, receiver }) => (mid ? [[mid, receiver.track]] : [])));
    this.emit('tracks', this.#tracks);
    const next = this.#next;
    this.#next = null;
    if (next) this.#ask(next);
  }

  /** @param {import('./errors.js').TrefoilError} error  of `subscribe` or `answer` */
  refused(error) {
    if (error.of === 'subscribe') this.#asked = this.#next = null;
    if (error.code !== 'forbidden') this.renew();
  }

  close() {
    this.#closed = true;
    this.#patience.stop();
    this.#end();
    for (const made of this.#waiting.splice(0)) made(null);
  }

  /** @param {'anew' | 'restart'} kind */
  #ask(kind) {
    if (this.#closed) return;
    if (this.#asked) {
      // A new one finds another way by itself.
      if (kind === 'anew' || this.#asked === 'restart') this.#next = this.#next === 'anew' ? 'anew' : kind;
      return;
    }
    this.#asked = kind; this.#next = null;
    const { audio, video } = this.#slots;
    this.#send({ type: 'subscribe', ...(kind === 'restart' ? { restart: true } : { audio_slots: audio, video_slots: video }) });
  }

  #make() {
    this.#end();
    const pc = this.#pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...this.#configuration });
    this.#path = new Path(pc, { restart: () => this.restart(), renew: () => this.renew() });
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'connected') this.#patience.forget();
      this.emit('state', pc.connectionState);
    };
    this.#channels = [
      pc.createDataChannel('reliable', { negotiated: true, id: 0 }),
      pc.createDataChannel('lossy', { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 }),
    ];
    for (const channel of this.#channels) {
      channel.binaryType = 'arraybuffer';
      channel.onmessage = ({ data }) => { if (data instanceof ArrayBuffer) this.emit('data', data); };
    }
    for (const made of this.#waiting.splice(0)) made(pc);
    return pc;
  }

  #end() {
    const had = this.#pc;
    this.#path?.close();
    had?.close();
    this.#pc = this.#channels = null;
    this.#tracks = new Map();
    if (had) this.emit('broken', undefined);
  }
}
