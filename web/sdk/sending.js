//! The connection on which we send everything that we publish to the media server.
import { Emitter } from './emitter.js';
import { encodingsFor, only, pause } from './encodings.js';
import { Path, Patience } from './path.js';
import { withSilenceSuppressed } from './sdp.js';
import { toWire } from './sources.js';

/** Every browser has it, so it needs no agreement. */
const USUAL_CODEC = 'VP8';

/**
 * @typedef {import('./publication.js').Publication} Publication
 * @typedef {import('./errors.js').TrefoilError} TrefoilError
 */

/** @extends {Emitter<{state: RTCPeerConnectionState}>} */
export class Sending extends Emitter {
  #send; #configuration;
  /** @type {RTCPeerConnection | null} */ #pc = null;
  /** @type {Path | undefined} */ #path;
  #patience = new Patience();
  /** @type {Map<Publication, RTCRtpTransceiver | null>} */ #sending = new Map();
  /** What an m= section can be used for again. @type {WeakMap<RTCRtpTransceiver, string>} */ #shapes = new WeakMap();
  /** Who alone may receive it. @type {Map<Publication, string[] | null>} */ #allowed = new Map();
  /** Mids by track id. @type {Map<string, string>} */ #mids = new Map();
  /** Whose offers wait for an answer; the server answers one after another. @type {RTCPeerConnection[]} */ #asked = [];
  /** Whose offer is being made. @type {RTCPeerConnection | null} */ #offering = null;
  /** Something has changed while an offer was under way. */ #again = false;
  /** Parameters are set one after another. */ #work = Promise.resolve();

  /** @param {(message: any) => void} send @param {RTCConfiguration} configuration */
  constructor(send, configuration) { super(); this.#send = send; this.#configuration = configuration; }

  get pc() { return this.#pc; }

  /** For these only, if it is for some only. @param {Publication} publication @param {string[] | null} [to] */
  publish(publication, to = null) {
    if (to) this.#allowed.set(publication, to);
    this.#sending.set(publication, null);
    if (this.#pc) this.#attach(publication, this.#pc); else this.#begin();
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    const transceiver = this.#sending.get(publication);
    this.#sending.delete(publication);
    this.#allowed.delete(publication);
    if (!transceiver || transceiver.currentDirection === 'stopped') return;
    transceiver.sender.replaceTrack(null).catch(() => {});
    transceiver.direction = 'inactive';
  }

  /** The publication has another track, or none for a while. @param {Publication} publication */
  replace(publication) { this.#sending.get(publication)?.sender.replaceTrack(publication.track).catch(() => {}); }

  /** @param {RTCConfiguration} configuration  for the next gathering */
  configure(configuration) {
    this.#configuration = { ...this.#configuration, ...configuration };
    this.#pc?.setConfiguration({ ...this.#pc.getConfiguration(), ...configuration });
  }

  /** Another way to the server, over whatever network there is now. */
  restart() { this.#pc?.restartIce(); }

  /** The server has let go of the one that it knew; one that it has not answered yet is another. */
  lost() {
    const pc = this.#pc;
    if (!pc || pc.remoteDescription || !this.#asked.includes(pc)) this.renew();
  }

  /** It is of no more use: another takes its place if there is something to send. */
  renew() {
    this.#end();
    if (this.#sending.size) this.#patience.wait(() => this.#begin());
  }

  /** The server's answer. @param {{sdp: string, tracks: {mid: string, track: string}[]}} message */
  async published({ sdp, tracks }) {
    const pc = this.#asked.shift();
    if (!pc || pc !== this.#pc) return;
    try {
      await pc.setRemoteDescription({ type: 'answer', sdp: withSilenceSuppressed(sdp, this.#voices()) });
      this.#mids = new Map(tracks.map(({ mid, track }) => [track, mid]));
      for (const publication of this.#allowed.keys()) this.#tellAllowed(publication);
    } catch (error) {
      if (pc === this.#pc) { console.warn('trefoil: an answer could not be applied', error); this.renew(); }
      return;
    }
    if (this.#again) this.#negotiate(pc);
  }

  /** @param {TrefoilError} error */
  refused(error) {
    const pc = this.#asked.shift();
    if (!pc || pc !== this.#pc) return;
    if (error.code === 'forbidden') this.#end(); else this.renew();
  }

  /** @param {Publication} publication @param {string[] | null} to */
  allow(publication, to) {
    this.#allowed.set(publication, to);
    this.#tellAllowed(publication);
  }

  /** @param {Publication} publication */
  #tellAllowed(publication) {
    const mid = this.#sending.get(publication)?.mid, to = this.#allowed.get(publication);
    const track = mid && [...this.#mids].find(([, of]) => of === mid)?.[0];
    if (track) this.#send({ type: 'allow', track, ...(to && { to }) });
  }

  /** What of a track anybody wants. @param {{track: string, any: boolean, rids: string[]}} message */
  needed({ track, any, rids }) {
    const mid = this.#mids.get(track);
    const sender = this.#pc?.getTransceivers().find((t) => mid !== undefined && t.mid === mid)?.sender;
    if (!sender) return;
    this.#work = this.#work.then(async () => {
      const parameters = sender.getParameters();
      if (pause(parameters.encodings, { any, rids })) await sender.setParameters(parameters);
    }).catch((error) => { if (this.#pc) console.warn('trefoil: encodings could not be changed', error); });
  }

  close() {
    this.#end();
    this.#sending.clear();
  }

  #begin() {
    this.#end();
    const pc = this.#pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...this.#configuration });
    this.#path = new Path(pc, { restart: () => this.restart(), renew: () => this.renew() });
    pc.onnegotiationneeded = () => this.#negotiate(pc);
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'connected') this.#patience.forget();
      this.emit('state', pc.connectionState);
    };
    for (const publication of this.#sending.keys()) this.#attach(publication, pc);
  }

  #end() {
    this.#patience.stop();
    this.#path?.close();
    this.#pc?.close();
    this.#pc = this.#offering = null; this.#again = false;
    this.#mids.clear();
    for (const publication of this.#sending.keys()) this.#sending.set(publication, null);
  }

  /** Finds an idle m= section of the same shape, or makes one. @param {Publication} publication @param {RTCPeerConnection} pc */
  #attach(publication, pc) {
    const { kind, source, track, codec = USUAL_CODEC } = publication;
    const encodings = encodingsFor(kind, source, track?.getSettings().width);
    const shape = JSON.stringify([kind, kind === 'video' && codec, encodings]), taken = new Set(this.#sending.values());
    let transceiver = pc.getTransceivers().find((t) => !taken.has(t) && this.#shapes.get(t) === shape && t.currentDirection !== 'stopped');
    if (transceiver) {
      transceiver.direction = 'sendonly';
      transceiver.sender.replaceTrack(track).catch(() => {});
    } else {
      transceiver = add(pc, track ?? kind, encodings);
      if (kind === 'video') prefer(transceiver, codec);
      this.#shapes.set(transceiver, shape);
    }
    this.#sending.set(publication, transceiver);
  }

  /** One offer at a time. @param {RTCPeerConnection} pc */
  async #negotiate(pc) {
    if (pc !== this.#pc) return;
    this.#again = this.#offering === pc || this.#asked.includes(pc);
    if (this.#again) return;
    this.#offering = pc;
    try {
      await pc.setLocalDescription(); // never ends if it is closed meanwhile
      if (pc !== this.#pc || !pc.localDescription) return;
      this.#offering = null;
      this.#asked.push(pc);
      this.#send({ type: 'publish', sdp: pc.localDescription.sdp, tracks: this.#notes() });
    } catch (error) {
      if (pc === this.#pc) { console.warn('trefoil: no offer could be made', error); this.renew(); }
    }
  }

  /** What is in which m= section. */
  #notes() {
    return [...this.#sending].flatMap(([publication, transceiver]) => {
      const to = this.#allowed.get(publication);
      return transceiver?.mid ? [{ mid: transceiver.mid, source: toWire(publication.source), ...(to && { to }) }] : [];
    });
  }

  /** Where voices are, which are silent most of the time. */
  #voices() {
    return new Set([...this.#sending].flatMap(([{ source }, transceiver]) => (source === 'microphone' && transceiver?.mid ? [transceiver.mid] : [])));
  }
}

/** @param {RTCPeerConnection} pc @param {MediaStreamTrack | 'audio' | 'video'} what @param {RTCRtpEncodingParameters[]} sendEncodings */
function add(pc, what, sendEncodings) {
  try {
    return pc.addTransceiver(what, { direction: 'sendonly', sendEncodings });
  } catch { // a browser without layers
    const plain = sendEncodings.map((encoding) => ({ ...encoding, scalabilityMode: undefined }));
    return pc.addTransceiver(what, { direction: 'sendonly', sendEncodings: plain });
  }
}

/** @param {RTCRtpTransceiver} transceiver @param {string} codec */
function prefer(transceiver, codec) {
  const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
  try { transceiver.setCodecPreferences?.(only(codecs, codec)); } catch { /* the browser's own choice */ }
}
