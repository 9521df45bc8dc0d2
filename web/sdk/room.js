//! A room that we are in: who is here, what we and they send, messages, moderation, and leaving.
import { Emitter } from './emitter.js';
import { TrefoilError, refusal } from './errors.js';
import { onDevicesChanged, onNetworkChanged, openCamera, openMicrophone, openScreen } from './media.js';
import { Publication } from './publication.js';
import { checkSource } from './sources.js';
import { Way } from './way.js';

/** Ask for new TURN credentials when this part of their life is over. */
const REFRESH_AT = 3 / 4;
/** A longer timeout would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * @typedef {import('./types.js').ParticipantState} ParticipantState
 * @typedef {import('./types.js').RemoteTrack} RemoteTrack
 * @typedef {{constraints?: MediaTrackConstraints, track?: MediaStreamTrack, codec?: string, to?: string[]}} DeviceOptions  `track`: the device is open already; `to`: as in `publish`
 * @typedef {object} RoomEvents
 * @property {ParticipantState} participantJoined
 * @property {ParticipantState} participantUpdated
 * @property {{participant: ParticipantState, reason: string}} participantLeft
 * @property {RemoteTrack} track  somebody's track has begun
 * @property {RemoteTrack} trackEnded
 * @property {{from: string, data: any}} message  through the server
 * @property {{from: string, data: string | ArrayBuffer}} data  over the data channel
 * @property {import('./transfer.js').IncomingFile} file  somebody offers a file
 * @property {{from: string, audio: boolean, video: boolean}} mutedBy  a moderator has muted us
 * @property {import('./types.js').RoomState} room
 * @property {Publication} published
 * @property {Publication} publicationChanged
 * @property {Publication} unpublished
 * @property {{participant: string, tracks: import('./types.js').PublishedTrack[]}} tracks  what somebody publishes, received or not
 * @property {import('./types.js').Speaker[]} speakers  who speaks, the one who has the floor first
 * @property {import('./types.js').Reception} reception  how well we receive, where media goes through the server
 * @property {MediaStream | null} mix  everybody else in one stream, to be played instead of each; null when it is over
 * @property {import('./types.js').Announcement} announcement  a sound that is played into the room, and how far it is
 * @property {MediaStream | null} announced  that sound, to be played beside all others; null when nothing is played, or it is in the mix
 * @property {undefined} talkingMuted  we speak, but are muted
 * @property {{participant: string, state: RTCPeerConnectionState}} connection
 * @property {'connected' | 'reconnecting'} state  of the connection to the server
 * @property {TrefoilError} refused  the server refused something that we asked
 * @property {TrefoilError} closed  we are out; `left` if we wanted it
 */

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  #signalling; #way;
  /** @type {Map<string, ParticipantState>} */ #participants = new Map();
  #you = '';
  /** @type {import('./types.js').RoomState} */ #state = { namespace: '', name: '', topology: 'p2p', member_limit: 0, locked: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #refresh;
  /** What the server was last told of our mutes. */ #told = '';
  /** @type {import('./types.js').Speaker[]} */ #speakers = [];
  /** @type {MediaStream | null} */ #mix = null;
  /** @type {Map<string, import('./types.js').Announcement>} */ #announcements = new Map();
  /** @type {MediaStream | null} */ #announced = null;
  #stopWatching;
  /** Camera and microphone are one stream, so that lips and voice stay together. */ #voiceAndFace = new MediaStream();

  /**
   * Made by `join`.
   * @param {import('./signalling.js').Signalling} signalling
   * @param {{relayOnly?: boolean, slots?: {audio?: number, video?: number}}} options
   */
  constructor(signalling, { relayOnly = false, slots = {} }) {
    super();
    this.#signalling = signalling;
    const way = this.#way = new Way({
      relayOnly, slots, send: (message) => signalling.send(message),
      muted: (participant) => this.#participants.get(participant)?.muted ?? { audio: true, video: true },
    });
    for (const type of /** @type {const} */ (['trackEnded', 'tracks', 'connection', 'reception', 'talkingMuted', 'data', 'file'])) way.on(type, (detail) => this.emit(type, detail));
    way.on('track', (track) => { if (this.#mayPublish(track.participant)) this.emit('track', track); });
    way.on('mix', (mix) => { this.#mix = mix; this.emit('mix', mix); });
    way.on('announced', (announced) => { this.#announced = announced; this.emit('announced', announced); });
    way.on('announcement', (announcement) => this.#announcement(announcement));
    way.on('speakers', (speakers) => { this.#speakers = speakers; this.emit('speakers', speakers); });
    signalling.on('joined', (joined) => this.#joined(joined));
    signalling.on('message', (message) => this.#receive(message));
    signalling.on('state', (state) => this.emit('state', state));
    signalling.on('closed', (why) => this.#closed(why));
    this.#stopWatching = onNetworkChanged(() => { signalling.probe(); way.restart(); });
  }

  /** Namespace, name, topology, member limit, lock. */
  get state() { return this.#state; }
  /** Us, as the others see us. */
  get me() { return /** @type {ParticipantState} */ (this.#participants.get(this.#you)); }
  /** Everybody else. */
  get participants() { return [...this.#participants.values()].filter(({ id }) => id !== this.#you); }
  /** What we send. */
  get publications() { return [...this.#way.publications]; }
  /** Who speaks, the one who has the floor first. */
  get speakers() { return this.#speakers; }
  /** Everybody else in one stream, if we hear them so. */
  get mix() { return this.#mix; }
  /** What is being played into the room. */
  get announcements() { return [...this.#announcements.values()]; }
  /** The sound of it, where it is not in the mix. */
  get announced() { return this.#announced; }
  /** What we receive of somebody. @param {string} participant @returns {RemoteTrack[]} */
  tracksOf(participant) { return this.#mayPublish(participant) ? this.#way.tracksOf(participant) : []; }
  /** What somebody publishes, received or not. @param {string} participant */
  publishedBy(participant) { return this.#mayPublish(participant) ? this.#way.publishedBy(participant) : []; }
  /** @param {string} participant */
  connectionState(participant) { return this.#way.stateOf(participant); }

  /**
   * What is on the screen and how large: a server sends that and nothing else. Everything comes until this was called once,
   * and again after `null`.
   * @param {import('./types.js').Wish[] | null} wishes
   */
  view(wishes) { this.#way.view(wishes); }

  /** How we want to hear, from now on. @param {import('./types.js').Hearing} wish */
  listenAs(wish) { this.#way.listenAs(wish); }

  /**
   * How we, or for moderators somebody else, are heard in the mix: `volume` in percent, `place` from -100 (left) to 100,
   * `denoise` without the noise around the microphone.
   * @param {{participant?: string, volume?: number, place?: number, denoise?: boolean}} how
   */
  soundAs(how) { this.#signalling.send({ type: 'voice', ...how }); }

  /** Only these may receive something of ours; everybody for null. @param {Publication} publication @param {string[] | null} to */
  allow(publication, to) { this.#way.allow(publication, to); }

  /** @param {DeviceOptions} [options] @returns {Promise<Publication>} rejects with a TrefoilError */
  publishCamera(options) { return this.#publishDevice('camera', openCamera, options); }

  /** @param {DeviceOptions} [options] @returns {Promise<Publication>} rejects with a TrefoilError */
  publishMicrophone(options) { return this.#publishDevice('microphone', openMicrophone, options); }

  /** A screen, and its sound where there is one. @param {DisplayMediaStreamOptions} [options] @returns {Promise<Publication[]>} */
  async publishScreen(options) {
    const screen = await openScreen(options);
    return screen.getTracks().map((track) => {
      if (track.kind === 'video' && 'contentHint' in track) track.contentHint = 'detail';
      return this.publish(track, { source: track.kind === 'video' ? 'screen' : 'screen-audio', streams: [screen] });
    });
  }

  /**
   * Sends a track to everybody, those who come later too; with `to` to these alone, from the first packet on. `codec` is for a picture through the server; default `VP8`.
   * @param {MediaStreamTrack} track
   * @param {{source: import('./types.js').Source, streams?: MediaStream[], codec?: string, to?: string[], open?: (deviceId?: string) => Promise<MediaStreamTrack>}} how
   */
  publish(track, { to, ...how }) {
    checkSource(how.source);
    if (!this.me.permissions.includes('publish')) {
      track.stop();
      throw new TrefoilError('forbidden', `a ${this.me.role} may not publish`);
    }
    const publication = new Publication({ track, ...how });
    publication.on('changed', () => { this.#way.replace(publication); this.#tellMutes(); this.emit('publicationChanged', publication); });
    publication.on('ended', () => this.unpublish(publication));
    this.#way.publish(publication, to);
    this.#tellMutes();
    this.emit('published', publication);
    return publication;
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    if (!this.#way.publications.has(publication)) return;
    this.#way.unpublish(publication);
    publication.stop();
    this.#tellMutes();
    this.emit('unpublished', publication);
  }

  /** To everybody, through the server: chat, or anything of up to 60 KiB of JSON. @param {any} data */
  sendMessage(data) { this.#signalling.send({ type: 'message', data }); }

  /**
   * Over the data channel, to one, some or all. Resolves when more may be sent; rejects with `no_channel` or `too_large`.
   * What is not `reliable` may be lost or overtaken, and never waits.
   * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} data
   * @param {string | {to?: string | string[], reliable?: boolean}} [how]  a participant, or more
   */
  sendData(data, how = {}) {
    const { to = [], reliable = true } = typeof how === 'string' ? { to: how } : how;
    return this.#way.sendData(data, [to].flat(), reliable);
  }

  /** @param {Blob} file @param {string} to @param {string} [name] */
  sendFile(file, to, name = file instanceof File ? file.name : 'file') { return this.#way.sendFile(file, to, name); }

  /** @param {string} name */
  rename(name) { this.#signalling.send({ type: 'update', name }); }

  // Moderators only; others hear `refused` with `forbidden`.
  /** @param {string} participant @param {{audio?: true, video?: true}} what */
  mute(participant, what) { this.#signalling.send({ type: 'mute', participant, ...what }); }
  /** @param {string} participant @param {ParticipantState['role']} role */
  setRole(participant, role) { this.#signalling.send({ type: 'role', participant, role }); }
  /** @param {boolean} locked */
  lock(locked) { this.#signalling.send({ type: 'lock', locked }); }
  /** @param {string} participant */
  kick(participant) { this.#signalling.send({ type: 'kick', participant }); }

  /**
   * By participant: the path, round trip, rates and loss since the last call. Where media goes through the server, what we
   * send is under our own id.
   */
  stats() { return this.#way.stats(); }

  leave() { this.#signalling.leave(); }

  /**
   * @param {'camera' | 'microphone'} source
   * @param {(constraints?: MediaTrackConstraints) => Promise<MediaStreamTrack>} opener
   * @param {DeviceOptions} [options]
   */
  async #publishDevice(source, opener, { constraints = {}, track, codec, to } = {}) {
    const open = (/** @type {string | undefined} */ deviceId) => opener({ ...constraints, ...(deviceId && { deviceId: { exact: deviceId } }) });
    return this.publish(track ?? await open(undefined), { source, streams: [this.#voiceAndFace], codec, to, open });
  }

  /** @param {import('./types.js').Joined} joined */
  #joined(joined) {
    this.#setRoom(joined.room);
    this.#iceServers(joined);
    if (joined.resumed) return this.#way.travel(joined.room.topology); // what happened meanwhile follows as messages
    for (const { id } of this.participants) this.#gone(id, 'session_lost');
    for (const announcement of this.announcements) this.#announcement({ ...announcement, state: 'ended' });
    this.#you = joined.you;
    this.#participants = new Map(joined.participants.map((participant) => [participant.id, participant]));
    this.#way.begin(joined.you, this.participants.map(({ id }) => id));
    for (const participant of this.participants) this.emit('participantJoined', participant);
    this.#told = '';
    this.#tellMutes();
    this.#way.travel(joined.room.topology);
  }

  /** @param {any} message */
  #receive(message) {
    switch (message.type) {
      case 'signal': return this.#way.signal(message.from, message.data);
      case 'message': return this.emit('message', { from: message.from, data: message.data });
      case 'participant_joined': return this.#came(message.participant);
      case 'participant_updated': return this.#updated(message.participant);
      case 'participant_left': return this.#gone(message.participant, message.reason);
      case 'mute': return this.#mutedBy(message);
      case 'room_updated': return this.#updateRoom(message.room);
      case 'ice_servers': return this.#iceServers(message);
      case 'refused': return this.#refused(refusal(message));
      default: this.#way.hear(message); // a newer server may say more
    }
  }

  /** A signal that crossed with somebody's leaving is nobody's fault. @param {TrefoilError} error */
  #refused(error) {
    const crossed = error.of === 'signal' && error.code === 'no_such_participant';
    if (!crossed && !this.#way.refused(error)) this.emit('refused', error);
  }

  /** @param {ParticipantState} participant */
  #came(participant) {
    if (participant.id === this.#you) return;
    const known = this.#participants.has(participant.id);
    this.#participants.set(participant.id, participant);
    this.emit(known ? 'participantUpdated' : 'participantJoined', participant);
    this.#way.came(participant.id);
  }

  /** @param {ParticipantState} participant */
  #updated(participant) {
    if (!this.#participants.has(participant.id)) return;
    this.#participants.set(participant.id, participant);
    this.emit('participantUpdated', participant);
    if (participant.id === this.#you && !participant.permissions.includes('publish')) for (const publication of this.publications) this.unpublish(publication);
  }

  /** @param {string} id @param {string} reason */
  #gone(id, reason) {
    const participant = this.#participants.get(id);
    if (!participant || id === this.#you) return;
    this.#participants.delete(id);
    this.#way.gone(id);
    this.emit('participantLeft', { participant, reason });
  }

  /** @param {{from: string, audio?: boolean, video?: boolean}} order */
  #mutedBy({ from, audio = false, video = false }) {
    for (const publication of this.publications) if (publication.kind === 'audio' ? audio : video) publication.mute();
    this.emit('mutedBy', { from, audio, video });
  }

  /** What somebody sends without being allowed to is not shown. @param {string} participant */
  #mayPublish(participant) { return this.#participants.get(participant)?.permissions.includes('publish') ?? false; }

  /** @param {import('./types.js').RoomState} room */
  #setRoom(room) { this.#state = room; this.emit('room', room); }

  /** @param {import('./types.js').RoomState} room */
  #updateRoom(room) {
    this.#setRoom(room);
    this.#way.travel(room.topology);
  }

  /** @param {{ice_servers: RTCIceServer[], ice_ttl_seconds: number}} message */
  #iceServers({ ice_servers, ice_ttl_seconds }) {
    this.#way.setIceServers(ice_servers);
    clearTimeout(this.#refresh);
    const wait = Math.min(ice_ttl_seconds * 1000 * REFRESH_AT, LONGEST_TIMEOUT_MS);
    this.#refresh = setTimeout(() => this.#signalling.send({ type: 'ice_servers' }), wait);
  }

  /** @param {import('./types.js').Announcement} announcement */
  #announcement(announcement) {
    if (announcement.state === 'ended') this.#announcements.delete(announcement.id);
    else this.#announcements.set(announcement.id, announcement);
    this.emit('announcement', announcement);
  }

  /** The others see a mark where we send no voice or no picture. */
  #tellMutes() {
    const live = (/** @type {string} */ source) => this.publications.some((p) => p.source === source && !p.muted);
    const muted = { audio: !live('microphone'), video: !live('camera') }, told = JSON.stringify(muted);
    if (told === this.#told) return;
    this.#told = told;
    this.#participants.set(this.#you, { ...this.me, muted });
    this.#signalling.send({ type: 'update', muted });
    this.emit('participantUpdated', this.me);
  }

  /** @param {TrefoilError} why */
  #closed(why) {
    clearTimeout(this.#refresh);
    this.#stopWatching();
    this.#way.end();
    for (const publication of this.publications) this.unpublish(publication);
    this.emit('closed', why);
  }
}
