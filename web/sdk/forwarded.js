//! Media through the server: what we publish goes there once, and what the others publish comes from there.
import { drained, opened } from './channel.js';
import { Emitter } from './emitter.js';
import { TrefoilError } from './errors.js';
import { PARCEL_BYTES, unwrap, wrap } from './parcel.js';
import { Receiving } from './receiving.js';
import { receptionOf } from './reception.js';
import { Sending } from './sending.js';
import { Slots } from './slots.js';
import { fromWire } from './sources.js';
import { StatsReader } from './stats.js';
import { Together } from './together.js';
import { OutgoingFile, awaitOffer } from './transfer.js';
import { Tunnel } from './tunnel.js';
import { View } from './view.js';

/**
 * @typedef {import('./publication.js').Publication} Publication
 * @typedef {import('./types.js').RemoteTrack} RemoteTrack
 * @typedef {import('./slots.js').Shown} Shown
 */

/** Who publishes what is played into the room: nobody. */
const ROOM = 'room';

/** Beside the events of Mesh: who publishes what, who speaks, and how we receive. @extends {Emitter<import('./types.js').MediaEvents>} */
export class Forwarded extends Emitter {
  #sending; #receiving; #streams; #view; #tunnel;
  #slots = new Slots();
  /** Participants whose tracks are not told of yet, since they still come another way. @type {Set<string>} */ #held = new Set();
  /** @type {Map<string, RemoteTrack>} */ #tracks = new Map();
  /** All others in one. @type {MediaStreamTrack | null} */ #mix = null;
  /** What is played into the room. @type {MediaStreamTrack | null} */ #announced = null;
  /** Places were told since there is this connection. */ #told = false;
  /** Reliable messages go one after another. */ #posts = Promise.resolve();
  /** @type {{pc: RTCPeerConnection, reader: StatsReader}[]} */ #readers = [];

  /**
   * @param {object} options
   * @param {(message: any) => void} options.send  to the server
   * @param {RTCConfiguration} options.configuration
   * @param {import('./together.js').Together} options.streams
   * @param {Iterable<Publication>} options.publications
   * @param {{audio?: number, video?: number}} options.slots
   */
  constructor({ send, configuration, streams, publications, slots }) {
    super();
    this.#streams = streams;
    this.#view = new View((participant) => this.#slots.publishedBy(participant), send);
    this.#tunnel = new Tunnel((to, payload) => { this.#post(payload, [to], true).catch(() => {}); }, (from, channel) => {
      awaitOffer(channel, from, (file) => this.emit('file', file));
    });
    this.#sending = new Sending(send, configuration);
    const receiving = this.#receiving = new Receiving(send, configuration, slots);
    receiving.on('state', (state) => { if (state === 'connected') this.#view.forget(); this.emit('state', state); });
    receiving.on('tracks', () => { this.#told = false; });
    receiving.on('data', (parcel) => this.#parcel(parcel));
    receiving.on('broken', () => this.#tunnel.broken());
    for (const publication of publications) this.#sending.publish(publication);
    receiving.begin();
  }

  /** A message of the media server. @param {any} message */
  receive(message) {
    switch (message.type) {
      case 'published': return void this.#sending.published(message);
      case 'needed': return this.#sending.needed(message);
      case 'offer': return void this.#receiving.offered(message.sdp);
      case 'tracks': return this.#publishes(message);
      case 'slots': return this.#fill(message.slots);
      case 'media_lost': return message.transport === 'publish' ? this.#sending.lost() : this.#receiving.lost();
      case 'reception': return this.emit('reception', receptionOf(message));
      case 'speakers': return this.emit('speakers', message.speakers);
      case 'announcement': return this.emit('announcement', { id: message.id, name: message.name, state: message.state, seconds: message.seconds, length: message.length_seconds });
      case 'talking_muted': return this.emit('talkingMuted', undefined);
      default: // a newer server may say more
    }
  }

  /** What the media server would not do. @param {TrefoilError} error */
  refused(error) {
    console.warn(`trefoil: the media server refused ${error.of}: ${error.message}`);
    if (error.of === 'publish') this.#sending.refused(error);
    if (error.of === 'subscribe' || error.of === 'answer') this.#receiving.refused(error);
  }

  /** @param {RTCIceServer[]} iceServers */
  setIceServers(iceServers) { for (const way of [this.#sending, this.#receiving]) way.configure({ iceServers }); }
  /** @param {Publication} publication @param {string[] | null} to */
  publish(publication, to) { this.#sending.publish(publication, to); }
  /** @param {Publication} publication */
  unpublish(publication) { this.#sending.unpublish(publication); }
  /** @param {Publication} publication */
  replace(publication) { this.#sending.replace(publication); }
  /** @param {Publication} publication @param {string[] | null} to */
  allow(publication, to) { this.#sending.allow(publication, to); }

  /** New paths, after a change of network. */
  restart() { this.#sending.restart(); this.#receiving.restart(); }

  /** What is on the screen. @param {import('./types.js').Wish[] | null} wishes */
  view(wishes) { this.#view.show(wishes); }

  /** @param {string} participant */
  tracksOf(participant) { return [...this.#tracks.values()].filter((track) => track.participant === participant); }
  /** @param {string} participant */
  publishedBy(participant) { return this.#slots.publishedBy(participant); }
  get state() { return this.#receiving.pc?.connectionState ?? 'new'; }

  /** Keeps quiet about somebody until `reveal`. @param {string} participant */
  hold(participant) { this.#held.add(participant); }
  /** Their tracks are there from now on. @param {string} participant */
  reveal(participant) { if (this.#held.delete(participant)) this.#update(); }

  /** Of what somebody publishes: which sources have arrived here, or will not since they are muted or not wanted. @param {string} participant */
  async arrived(participant) {
    const frames = new Map();
    for (const s of (await this.#receiving.pc?.getStats())?.values() ?? []) if (s.type === 'inbound-rtp') frames.set(s.mid, s.kind === 'video' ? s.framesDecoded : s.packetsReceived);
    const comes = (/** @type {string} */ id, /** @type {string} */ kind) => frames.get(this.#slots.placeOf(id)) > 0 || (kind === 'audio' && this.#slots.mix !== null);
    const here = this.#slots.publishedBy(participant).filter(({ id, kind, muted }) => muted || !this.#view.wants(id) || comes(id, kind));
    return new Set(here.map(({ source }) => source));
  }

  /** Somebody is gone. @param {string} participant */
  drop(participant) {
    this.#slots.publishes(participant, []);
    this.#held.delete(participant);
    this.#tunnel.gone(participant);
    this.#update();
  }

  /**
   * To these, or to everybody else. Resolves when more may be sent.
   * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data @param {string[]} to @param {boolean} reliable
   */
  sendData(data, to, reliable) { return this.#post(Tunnel.guard(data), to, reliable); }

  /** @param {Blob} blob @param {string} to @param {string} name */
  sendFile(blob, to, name) { return new OutgoingFile(this.#tunnel.open(to), blob, name); }

  /** The way to the server with what we receive of each participant, and under our own id what we send. @param {string} you @param {string[]} others */
  async stats(you, others) {
    const receiving = await this.#read(this.#receiving.pc), sending = await this.#read(this.#sending.pc);
    /** @type {Record<string, import('./stats.js').ConnectionStats>} */
    const all = {};
    for (const participant of receiving ? others : []) {
      const mids = new Set(this.tracksOf(participant).map(({ id }) => this.#slots.placeOf(id)));
      const tracks = receiving?.tracks.filter(({ mid }) => mids.has(mid)) ?? [];
      if (receiving) all[participant] = { ...receiving, tracks, sendKbps: 0, receiveKbps: tracks.reduce((sum, { kbps }) => sum + kbps, 0) };
    }
    return sending ? { ...all, [you]: sending } : all;
  }

  close() {
    this.#view.close();
    this.#hearMix(null);
    this.#hearRoom(null);
    this.#sending.close();
    this.#receiving.close();
    for (const participant of new Set([...this.#tracks.values()].map((track) => track.participant))) this.#slots.publishes(participant, []);
    this.#update();
  }

  /** @param {RTCPeerConnection | null} pc */
  async #read(pc) {
    this.#readers = this.#readers.filter((r) => r.pc === this.#sending.pc || r.pc === this.#receiving.pc);
    if (!pc) return null;
    let known = this.#readers.find((r) => r.pc === pc);
    if (!known) this.#readers.push(known = { pc, reader: new StatsReader(pc) });
    const stats = await known.reader.read();
    return { ...stats, route: stats.route === 'direct' ? /** @type {const} */ ('server') : stats.route };
  }

  /** @param {{participant: string, tracks: any[]}} message */
  #publishes({ participant, tracks }) {
    this.#slots.publishes(participant, tracks.map(({ track, kind, source, codec, muted }) => ({ id: track, kind, source: fromWire(source), codec, muted })));
    this.#view.refresh();
    this.#update();
    if (participant !== ROOM) this.emit('tracks', { participant, tracks: this.#slots.publishedBy(participant) });
  }

  /** @param {{mid: string, track: string}[]} slots */
  #fill(slots) {
    if (!this.#told) this.#view.forget();
    this.#told = true;
    this.#slots.fill(slots, this.#receiving.tracks);
    this.#update();
    this.#hearMix(this.#slots.mix);
  }

  /** @param {MediaStreamTrack | null} track */
  #hearMix(track) {
    if (this.#mix === track) return;
    this.#mix = track;
    this.emit('mix', track && new MediaStream([track]));
  }

  /** @param {MediaStreamTrack | null} track */
  #hearRoom(track) {
    if (this.#announced === track) return;
    this.#announced = track;
    this.emit('announced', track && new MediaStream([track]));
  }

  /** Tells what has begun and ended. Streams are whole before anybody hears of them. */
  #update() {
    const shown = new Map(this.#slots.shown.filter(({ participant }) => participant !== ROOM && !this.#held.has(participant)).map((s) => [s.published.id, s]));
    const ended = [...this.#tracks.values()].filter(({ id, track }) => shown.get(id)?.track !== track);
    const begun = [...shown.values()].filter(({ published: { id }, track }) => this.#tracks.get(id)?.track !== track).map((s) => this.#remote(s));
    for (const { id } of ended) this.#tracks.delete(id);
    for (const track of begun) { this.#tracks.set(track.id, track); Together.add(track.stream, track.track); }
    for (const { stream, track } of ended) if (![...this.#tracks.values()].some((t) => t.stream === stream && t.track === track)) Together.remove(stream, track);
    for (const track of ended) this.emit('trackEnded', track);
    for (const track of begun) this.emit('track', track);
    this.#streams.tidy();
    this.#hearRoom(this.#slots.shown.find(({ participant }) => participant === ROOM)?.track ?? null);
  }

  /** @param {Shown} shown @returns {RemoteTrack} */
  #remote({ participant, published: { id, source, kind }, track }) {
    return { participant, id, source, kind, track, stream: this.#streams.of(participant, source) };
  }

  /** @param {ArrayBuffer} parcel */
  #parcel(parcel) {
    const opened = unwrap(parcel), data = opened && this.#tunnel.receive(opened.from, opened.data);
    if (opened && data !== null) this.emit('data', { from: opened.from, data });
  }

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} payload @param {string[]} to @param {boolean} reliable */
  async #post(payload, to, reliable) {
    const parcel = wrap(payload, to);
    if (parcel.length > PARCEL_BYTES) throw new TrefoilError('too_large', `${parcel.length} bytes are more than the ${PARCEL_BYTES} that go in one message: send a file`);
    if (!reliable) return (await this.#channel(false)).send(parcel);
    const posted = this.#posts.then(async () => {
      const channel = await this.#channel(true);
      channel.send(parcel);
      await drained(channel);
    });
    this.#posts = posted.catch(() => {});
    return posted;
  }

  /** @param {boolean} reliable */
  async #channel(reliable) {
    const channel = await this.#receiving.channel(reliable);
    if (!channel) throw new TrefoilError('no_channel', 'the connection to the media server is closed');
    await opened(channel);
    return channel;
  }
}
