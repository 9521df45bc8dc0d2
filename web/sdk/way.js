//! How media travels in a room: between each two, through the server, or for a moment both. Who asks need not know which.
import { Emitter } from './emitter.js';
import { TrefoilError } from './errors.js';
import { Forwarded } from './forwarded.js';
import { Handover } from './handover.js';
import { Loudness } from './loudness.js';
import { Mesh } from './mesh.js';
import { Together } from './together.js';

/** Messages that are between us and the media server. */
const OURS = new Set(['published', 'needed', 'offer', 'tracks', 'slots', 'media_lost', 'reception', 'speakers', 'talking_muted', 'announcement']);
const ASKED = new Set(['publish', 'subscribe', 'answer', 'view', 'hear', 'voice', 'allow']);

/**
 * @typedef {import('./publication.js').Publication} Publication
 * @typedef {import('./types.js').MediaEvents} MediaEvents
 * @typedef {Omit<MediaEvents, 'state'> & {connection: {participant: string, state: RTCPeerConnectionState}}} WayEvents
 */

/** @extends {Emitter<WayEvents>} */
export class Way extends Emitter {
  #send; #slots; #muted;
  /** @type {RTCConfiguration} */ #configuration;
  #streams = new Together();
  #mesh;
  /** @type {Forwarded | null} */ #forwarded = null;
  /** @type {Handover | null} */ #handover = null;
  /** While no server says who speaks. @type {Loudness | null} */ #loudness = null;
  #you = '';
  /** Everybody else. @type {Set<string>} */ #others = new Set();
  /** @type {import('./types.js').Wish[] | null} */ #wishes = null;
  /** How we hear, where not as usual. @type {import('./types.js').Hearing | null} */ #hearing = null;
  /** Who alone may have what we send. @type {Map<Publication, string[] | null>} */ #allowed = new Map();
  /** What everybody is sent, those who come later too. @type {Set<Publication>} */ publications = new Set();

  /**
   * @param {object} options
   * @param {(message: any) => void} options.send
   * @param {boolean} options.relayOnly
   * @param {{audio?: number, video?: number}} options.slots
   * @param {(participant: string) => import('./types.js').Muted} options.muted
   */
  constructor({ send, relayOnly, slots, muted }) {
    super();
    this.#send = send; this.#slots = slots; this.#muted = muted;
    this.#configuration = { iceTransportPolicy: relayOnly ? 'relay' : 'all' };
    const mesh = this.#mesh = new Mesh({
      configuration: this.#configuration, streams: this.#streams, publications: this.publications,
      send: (to, data) => send({ type: 'signal', to, data }),
      may: (publication, participant) => this.#allowed.get(publication)?.includes(participant) ?? true,
    });
    for (const type of /** @type {const} */ (['track', 'trackEnded', 'data', 'file'])) mesh.on(type, (detail) => this.emit(type, detail));
    mesh.on('state', ({ participant }) => this.#connection(participant));
    mesh.on('tracks', ({ participant }) => { if (!this.#forwarded) this.emit('tracks', { participant, tracks: this.publishedBy(participant) }); });
  }

  /** We are in a room, afresh. @param {string} you @param {string[]} others */
  begin(you, others) {
    this.end();
    this.#you = this.#mesh.you = you;
    this.#others = new Set(others);
    this.#listen();
  }

  /** Media goes this way from now on. @param {string} topology */
  travel(topology) {
    if (topology !== 'p2p' && !this.#forwarded) this.#forward();
    if (topology === 'p2p' && this.#forwarded) {
      this.#stopForwarding();
      this.#listen();
      // Everybody hears of it; of each two the impolite side calls.
      for (const participant of this.#others) if (this.#you > participant) this.#mesh.call(participant);
    }
  }

  /** Somebody came after us. @param {string} participant */
  came(participant) {
    this.#others.add(participant);
    if (!this.#forwarded) this.#mesh.call(participant);
  }

  /** @param {string} participant */
  gone(participant) {
    this.#others.delete(participant);
    this.#handover?.drop(participant);
    this.#mesh.drop(participant);
    this.#forwarded?.drop(participant);
  }

  end() {
    this.#stopForwarding();
    this.#deafen();
    this.#mesh.dropAll();
  }

  /** A signal of another participant. @param {string} from @param {any} data */
  signal(from, data) {
    if (data?.forwarded === true) return this.#handover?.told(from);
    // Nobody is called where media goes through the server, but what there is may change until it is over.
    if (!this.#forwarded || this.#mesh.participants.includes(from)) this.#mesh.receive(from, data);
  }

  /** Whether a message was the media server's. @param {any} message */
  hear(message) {
    if (!OURS.has(message.type)) return false;
    this.#forwarded?.receive(message);
    return true;
  }

  /** Whether something that the media server was asked for was refused. @param {TrefoilError} error */
  refused(error) {
    if (!ASKED.has(error.of ?? '')) return false;
    this.#forwarded?.refused(error);
    return true;
  }

  /** @param {RTCIceServer[]} iceServers */
  setIceServers(iceServers) {
    this.#configuration = { ...this.#configuration, iceServers };
    this.#mesh.setIceServers(iceServers);
    this.#forwarded?.setIceServers(iceServers);
  }

  /** For these only, if it is for some only. @param {Publication} publication @param {string[] | null} [to] */
  publish(publication, to = null) {
    if (to) this.#allowed.set(publication, to);
    this.publications.add(publication);
    this.#mesh.publish(publication);
    this.#forwarded?.publish(publication, to);
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    this.publications.delete(publication);
    this.#allowed.delete(publication);
    this.#mesh.unpublish(publication);
    this.#forwarded?.unpublish(publication);
  }

  /** @param {Publication} publication */
  replace(publication) {
    this.#mesh.replace(publication);
    this.#forwarded?.replace(publication);
  }

  /** New paths for all, after a change of network. */
  restart() {
    this.#mesh.restart();
    this.#forwarded?.restart();
  }

  /** @param {import('./types.js').Wish[] | null} wishes */
  view(wishes) {
    this.#wishes = wishes;
    this.#forwarded?.view(wishes);
  }

  /** @param {import('./types.js').Hearing} wish */
  listenAs(wish) {
    this.#hearing = { ...this.#hearing, ...wish, volumes: { ...this.#hearing?.volumes, ...wish.volumes } };
    if (this.#forwarded) this.#send({ type: 'hear', ...wish });
  }

  /** @param {Publication} publication @param {string[] | null} to */
  allow(publication, to) {
    this.#allowed.set(publication, to);
    this.#mesh.allow(publication);
    this.#forwarded?.allow(publication, to);
  }

  /** @param {string} participant */
  tracksOf(participant) { return this.#through(participant)?.tracksOf(participant) ?? this.#mesh.tracksOf(participant); }

  /** @param {string} participant @returns {import('./types.js').PublishedTrack[]} */
  publishedBy(participant) {
    if (this.#forwarded) return this.#forwarded.publishedBy(participant);
    const muted = this.#muted(participant), mute = (/** @type {string} */ source) => (source === 'camera' && muted.video) || (source === 'microphone' && muted.audio);
    return this.#mesh.tracksOf(participant).map(({ id, source, kind }) => ({ id, source, kind, muted: mute(source), shown: true }));
  }

  /** @param {string} participant */
  stateOf(participant) { return this.#through(participant)?.state ?? this.#mesh.stateOf(participant); }

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data @param {string[]} to @param {boolean} reliable */
  async sendData(data, to, reliable) {
    for (const participant of to) this.#check(participant);
    return (this.#forwarded ?? this.#mesh).sendData(data, to, reliable);
  }

  /** @param {Blob} blob @param {string} to @param {string} name */
  sendFile(blob, to, name) {
    this.#check(to);
    return (this.#forwarded ?? this.#mesh).sendFile(blob, to, name);
  }

  /** By participant; through the server, what we send is under our own id. @returns {Promise<Record<string, import('./stats.js').ConnectionStats>>} */
  async stats() {
    const forwarded = await this.#forwarded?.stats(this.#you, [...this.#others]);
    return { ...forwarded, ...await this.#mesh.stats() };
  }

  /** The server, where somebody's media comes through it. @param {string} participant */
  #through(participant) { return this.#handover?.holds(participant) ? null : this.#forwarded; }

  /** @param {string} participant */
  #check(participant) { if (!this.#others.has(participant)) throw new TrefoilError('no_channel', `${participant} is not here`); }

  #listen() { this.#loudness ??= new Loudness(() => this.#mesh.voices, (speakers) => this.emit('speakers', speakers)); }

  #deafen() {
    this.#loudness?.stop();
    this.#loudness = null;
  }

  #forward() {
    this.#deafen();
    const forwarded = this.#forwarded = new Forwarded({
      send: this.#send, configuration: this.#configuration, streams: this.#streams, publications: this.publications, slots: this.#slots,
    });
    for (const type of /** @type {const} */ (['track', 'trackEnded', 'data', 'file', 'tracks', 'reception', 'speakers', 'mix', 'talkingMuted', 'announcement', 'announced'])) forwarded.on(type, (detail) => this.emit(type, detail));
    forwarded.on('state', () => { for (const participant of this.#others) if (this.#through(participant)) this.#connection(participant); });
    if (this.#wishes) forwarded.view(this.#wishes);
    if (this.#hearing) this.#send({ type: 'hear', ...this.#hearing });
    for (const [publication, to] of this.#allowed) forwarded.allow(publication, to);
    const handover = this.#handover = new Handover({
      mesh: this.#mesh, forwarded, tell: (to) => { this.#connection(to); this.#send({ type: 'signal', to, data: { forwarded: true } }); },
      over: () => { if (this.#handover === handover) this.#handover = null; },
    });
    handover.start();
  }

  #stopForwarding() {
    this.#handover?.close();
    this.#forwarded?.close();
    this.#handover = this.#forwarded = null;
  }

  /** @param {string} participant */
  #connection(participant) {
    const state = this.stateOf(participant);
    this.emit('connection', { participant, state });
  }
}
