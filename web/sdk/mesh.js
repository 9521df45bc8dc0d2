//! The connections to everybody in the room: who calls whom, which signal is for which, and what goes over them.
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { TrefoilError } from './errors.js';
import { StatsReader } from './stats.js';
import { BUFFER_BYTES, drained, opened } from './channel.js';
import { FILE_LABEL, OutgoingFile, awaitOffer } from './transfer.js';

/** Files that one participant may offer at a time; more channels are closed. */
const OFFERS_LIMIT = 16;

/** @typedef {import('./publication.js').Publication} Publication */

/**
 * @extends {Emitter<{
 *   track: import('./types.js').RemoteTrack, trackEnded: import('./types.js').RemoteTrack,
 *   state: {participant: string, state: RTCPeerConnectionState},
 *   data: {from: string, data: string | ArrayBuffer}, file: import('./transfer.js').IncomingFile,
 * }>}
 */
export class Mesh extends Emitter {
  /** @type {Map<string, Connection>} */ #connections = new Map();
  /** @type {WeakMap<Connection, StatsReader>} */ #readers = new WeakMap();
  /** @type {RTCConfiguration} */ #configuration;
  #send;
  /** Our own id, new after each fresh join. */ you = '';
  /** @type {Set<Publication>} */ publications = new Set();

  /**
   * @param {boolean} relayOnly
   * @param {(to: string, data: import('./types.js').SignalData) => void} send
   */
  constructor(relayOnly, send) {
    super();
    this.#configuration = { iceTransportPolicy: relayOnly ? 'relay' : 'all' };
    this.#send = send;
  }

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
    this.publications.add(publication);
    for (const connection of this.#connections.values()) connection.publish(publication);
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    this.publications.delete(publication);
    for (const connection of this.#connections.values()) connection.unpublish(publication);
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

  /** @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data @param {string} [to] */
  async sendData(data, to) {
    const receivers = to === undefined ? [...this.#connections.values()] : [this.#connectionTo(to)];
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data).length : data.byteLength;
    await Promise.all(receivers.map(async ({ channel, pc }) => {
      await opened(channel);
      const most = pc.sctp?.maxMessageSize ?? Infinity;
      if (bytes > most) throw new TrefoilError('too_large', `${bytes} bytes are more than the ${most} that go in one message: send a file`);
      if (channel.bufferedAmount > BUFFER_BYTES) await drained(channel);
      channel.send(/** @type {string} */ (data));
      await drained(channel);
    }));
  }

  /** @param {Blob} blob @param {string} to @param {string} name */
  sendFile(blob, to, name) {
    return new OutgoingFile(this.#connectionTo(to).pc.createDataChannel(FILE_LABEL), blob, name);
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
      publications: this.publications, send: (data) => this.#send(participant, data),
    });
    this.#connections.set(participant, connection);
    connection.on('track', (track) => this.emit('track', { ...track, participant }));
    connection.on('trackEnded', (track) => this.emit('trackEnded', { ...track, participant }));
    connection.on('state', (state) => this.emit('state', { participant, state }));
    connection.channel.binaryType = 'arraybuffer';
    connection.channel.onmessage = ({ data }) => this.emit('data', { from: participant, data });
    let offers = 0;
    connection.on('channel', (channel) => {
      if (channel.label !== FILE_LABEL || offers >= OFFERS_LIMIT) return channel.close();
      offers++;
      channel.addEventListener('close', () => { offers--; });
      awaitOffer(channel, participant, (file) => this.emit('file', file));
    });
    return connection;
  }
}
