//! The connections to everybody in the room: who calls whom, which signal is for which, and what goes over them.
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { TrefoilError } from './errors.js';
import { StatsReader } from './stats.js';
import { BUFFER_BYTES, drained, opened } from './channel.js';
import { FILE_LABEL, OutgoingFile, awaitOffer } from './transfer.js';

/** Files that may be on their way between two participants for another to be offered; its channel is closed. */
const OFFERS_LIMIT = 16;

/** @typedef {import('./publication.js').Publication} Publication */

/**
 * @extends {Emitter<{
 *   track: import('./types.js').RemoteTrack, trackEnded: import('./types.js').RemoteTrack,
 *   state: {participant: string, state: RTCPeerConnectionState},
 *   data: {from: string, data: string | ArrayBuffer}, file: import('./transfer.js').IncomingFile,
 *   tracks: {participant: string},
 * }>}
 */
export class Mesh extends Emitter {
  /** @type {Map<string, Connection>} */ #connections = new Map();
  /** @type {WeakMap<Connection, StatsReader>} */ #readers = new WeakMap();
  /** Channels of files. @type {WeakMap<Connection, Set<RTCDataChannel>>} */ #files = new WeakMap();
  /** @type {RTCConfiguration} */ #configuration;
  #send; #streams; #publications; #may;
  /** Our own id, new after each fresh join. */ you = '';

  /**
   * @param {object} options
   * @param {RTCConfiguration} options.configuration
   * @param {(to: string, data: import('./types.js').SignalData) => void} options.send
   * @param {import('./together.js').Together} options.streams
   * @param {Iterable<Publication>} options.publications  what everybody is sent, those who come later too
   * @param {(publication: Publication, participant: string) => boolean} [options.may]  whether it is for them
   */
  constructor({ configuration, send, streams, publications, may = () => true }) {
    super();
    this.#configuration = { ...configuration };
    this.#send = send; this.#streams = streams; this.#publications = publications; this.#may = may;
  }

  /** Those to whom there is a connection. */
  get participants() { return [...this.#connections.keys()]; }
  /** What receives their voices. @returns {[string, RTCRtpReceiver][]} */
  get voices() { return [...this.#connections].flatMap(([participant, { voice }]) => (voice ? [[participant, voice]] : [])); }
  /** We called, and nothing has come of it yet. @param {string} participant */
  isUnanswered(participant) { return this.#connections.get(participant)?.unanswered ?? false; }
  /** What somebody sends comes another way from now on. @param {string} participant */
  release(participant) { this.#connections.get(participant)?.release(); }

  /** @param {RTCIceServer[]} iceServers */
  setIceServers(iceServers) {
    this.#configuration.iceServers = iceServers;
    for (const connection of this.#connections.values()) connection.configure({ iceServers });
  }

  /** Calls somebody who came after us. @param {string} participant */
  call(participant) {
    this.drop(participant);
    this.#make(participant, crypto.getRandomValues(new Uint32Array(2)).join('-'), true);
  }

  /** @param {string} participant */
  drop(participant) {
    const connection = this.#connections.get(participant);
    this.#connections.delete(participant);
    connection?.close();
  }

  dropAll() { for (const participant of [...this.#connections.keys()]) this.drop(participant); }

  /** A signal from another SDK, or from a client that knows of one connection only. @param {string} from @param {any} data */
  receive(from, data) {
    if (typeof data !== 'object' || data === null) return;
    const known = this.#connections.get(from), { connection = known?.id ?? '', candidate, candidates = candidate && [candidate] } = data;
    const signal = { description: data.description, candidates: Array.isArray(candidates) ? candidates : [], tracks: data.tracks, turn: data.turn };
    if (known && known.id === connection) return void known.receive(signal);
    // Only an offer starts a connection. If both sides started one, that of the impolite side stands.
    if (signal.description?.type !== 'offer' || (known?.unanswered && !this.#politeTo(from))) return;
    this.drop(from);
    this.#make(from, String(connection), false).receive(signal);
  }

  /** @param {Publication} publication */
  publish(publication) {
    for (const [participant, connection] of this.#connections) if (this.#may(publication, participant)) connection.publish(publication);
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    for (const connection of this.#connections.values()) connection.unpublish(publication);
  }

  /** It is for others than before. @param {Publication} publication */
  allow(publication) {
    for (const [participant, connection] of this.#connections) {
      const may = this.#may(publication, participant);
      if (may === connection.sends(publication)) continue;
      if (may) connection.publish(publication); else connection.unpublish(publication);
    }
  }

  /** @param {Publication} publication */
  replace(publication) {
    for (const connection of this.#connections.values()) connection.replace(publication);
  }

  /** New paths for all, after a change of network. */
  restart() { for (const connection of this.#connections.values()) connection.restart(); }

  /** @param {string} participant */
  tracksOf(participant) {
    return (this.#connections.get(participant)?.tracks ?? []).map((track) => ({ ...track, participant }));
  }

  /** @param {string} participant */
  stateOf(participant) { return this.#connections.get(participant)?.pc.connectionState ?? 'new'; }

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data @param {string[]} to  nobody for everybody else @param {boolean} reliable */
  async sendData(data, to, reliable) {
    const receivers = to.length ? to.map((participant) => this.#connectionTo(participant)) : [...this.#connections.values()];
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data).length : data.byteLength;
    await Promise.all(receivers.map(async ({ channel: ordered, lossy, pc }) => {
      const channel = reliable ? ordered : lossy;
      await opened(channel);
      const most = pc.sctp?.maxMessageSize ?? Infinity;
      if (bytes > most) throw new TrefoilError('too_large', `${bytes} bytes are more than the ${most} that go in one message: send a file`);
      if (reliable && channel.bufferedAmount > BUFFER_BYTES) await drained(channel);
      channel.send(/** @type {string} */ (data));
      if (reliable) await drained(channel);
    }));
  }

  /** @param {Blob} blob @param {string} to @param {string} name */
  sendFile(blob, to, name) {
    const connection = this.#connectionTo(to), channel = connection.pc.createDataChannel(FILE_LABEL);
    this.#watch(connection, channel);
    return new OutgoingFile(channel, blob, name);
  }

  /** Whether files are on their way to or from somebody. @param {string} participant */
  isBusy(participant) {
    const connection = this.#connections.get(participant);
    return Boolean(connection && this.#files.get(connection)?.size);
  }

  /** @returns {Promise<Record<string, import('./stats.js').ConnectionStats>>} by participant */
  async stats() {
    const each = [...this.#connections].map(async ([participant, connection]) => {
      let reader = this.#readers.get(connection);
      if (!reader) this.#readers.set(connection, reader = new StatsReader(connection.pc));
      return /** @type {const} */ ([participant, await reader.read()]);
    });
    return Object.fromEntries(await Promise.all(each));
  }

  /** @param {Connection} connection @param {RTCDataChannel} channel  of a file */
  #watch(connection, channel) {
    const files = this.#files.get(connection) ?? new Set();
    this.#files.set(connection, files.add(channel));
    channel.addEventListener('close', () => files.delete(channel));
  }

  /** @param {string} participant */
  #connectionTo(participant) {
    const connection = this.#connections.get(participant);
    if (!connection) throw new TrefoilError('no_channel', `there is no connection to ${participant}`);
    return connection;
  }

  /** The side with the smaller id gives way. @param {string} participant */
  #politeTo(participant) { return this.you < participant; }

  /** @param {string} participant @param {string} id @param {boolean} calls */
  #make(participant, id, calls) {
    const connection = new Connection({
      id, calls, polite: this.#politeTo(participant), configuration: this.#configuration,
      publications: [...this.#publications].filter((publication) => this.#may(publication, participant)), send: (data) => this.#send(participant, data), streamFor: (source) => this.#streams.of(participant, source),
    });
    this.#connections.set(participant, connection);
    connection.on('track', (track) => this.emit('track', { ...track, participant }));
    connection.on('trackEnded', (track) => this.emit('trackEnded', { ...track, participant }));
    connection.on('tracks', () => { this.#streams.tidy(); this.emit('tracks', { participant }); });
    connection.on('state', (state) => this.emit('state', { participant, state }));
    for (const channel of [connection.channel, connection.lossy]) {
      channel.binaryType = 'arraybuffer';
      channel.onmessage = ({ data }) => this.emit('data', { from: participant, data });
    }
    connection.on('channel', (channel) => {
      if (channel.label !== FILE_LABEL || (this.#files.get(connection)?.size ?? 0) >= OFFERS_LIMIT) return channel.close();
      this.#watch(connection, channel);
      awaitOffer(channel, participant, (file) => this.emit('file', file));
    });
    return connection;
  }
}
