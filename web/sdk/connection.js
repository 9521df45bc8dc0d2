//! One RTCPeerConnection to one participant: offers in turns, candidates, ICE restart, and what each mid carries.
import { Emitter } from './emitter.js';

/** How long a broken path may heal by itself before ICE is restarted; the polite side waits longer, so that offers seldom cross. */
const HEAL_MS = { impolite: 3_000, polite: 4_500 };
/** How long a turn may be waited for, and kept free: longer than a short break of the signalling. */
const TURN_MS = 10_000;
/** Candidates that are found within this time are told together. */
const GATHER_MS = 20;
/** More tracks than this from one participant are not looked at. */
const TRACK_LIMIT = 64;

/**
 * @typedef {import('./publication.js').Publication} Publication
 * @typedef {import('./types.js').SignalData} SignalData
 * @typedef {Omit<import('./types.js').RemoteTrack, 'participant'>} ReceivedTrack
 */

/** @extends {Emitter<{track: ReceivedTrack, trackEnded: ReceivedTrack, state: RTCPeerConnectionState, channel: RTCDataChannel, tracks: void}>} */
export class Connection extends Emitter {
  #polite; #send; #streamFor;
  /** Offers may be made: we are the one who calls, or the first offer has come. */ #ready;
  #answered = false; #makingOffer = false; #ignoreOffer = false; #settingAnswer = false;
  /** Incoming signals are worked off one after another. */ #work = Promise.resolve();
  /** @type {Map<Publication, RTCRtpTransceiver | null>} */ #sending = new Map();
  /** @type {Map<string, ReceivedTrack>} */ #receiving = new Map();
  /** What the other side sends comes another way by now. */ #released = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #healing;
  /** The other side speaks of tracks and turns as we do. */ #kin = false;
  /** @type {'none' | 'asked' | 'wanted' | 'given'} */ #turn = 'none';
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #turnOver;
  /** Found and not yet told. @type {RTCIceCandidateInit[]} */ #candidates = [];

  /**
   * @param {object} options
   * @param {string} options.id  names this connection in every signal about it
   * @param {boolean} options.calls  this side makes the first offer
   * @param {boolean} options.polite
   * @param {RTCConfiguration} options.configuration
   * @param {Iterable<Publication>} options.publications
   * @param {(data: SignalData) => void} options.send
   * @param {(source: string) => MediaStream} options.streamFor  where what belongs together is
   */
  constructor({ id, calls, polite, configuration, publications, send, streamFor }) {
    super();
    this.id = id; this.calls = calls;
    this.#ready = calls; this.#polite = polite; this.#send = send; this.#streamFor = streamFor;
    const pc = this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...configuration });
    pc.onnegotiationneeded = () => this.#negotiate();
    pc.onsignalingstatechange = () => { if (this.#turn === 'wanted') this.#giveTurn(); };
    pc.onicecandidate = ({ candidate }) => { if (candidate) this.#tell(candidate); };
    pc.oniceconnectionstatechange = () => this.#watchPath();
    pc.onconnectionstatechange = () => this.emit('state', pc.connectionState);
    pc.ondatachannel = ({ channel }) => this.emit('channel', channel);
    /** Both sides open it with the same number, so neither waits for the other. */
    this.channel = pc.createDataChannel('trefoil', { negotiated: true, id: 0 });
    this.lossy = pc.createDataChannel('trefoil-lossy', { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 });
    for (const publication of publications) this.#sending.set(publication, null);
    if (calls) this.#attachAll();
  }

  /** Nothing but our own first offer has happened yet. */
  get unanswered() { return this.calls && !this.#answered; }
  get tracks() { return [...this.#receiving.values()]; }
  /** What receives the other side's voice. */
  get voice() {
    const voice = this.tracks.find(({ source }) => source === 'microphone');
    return voice && this.pc.getReceivers().find(({ track }) => track === voice.track);
  }

  /** @param {Publication} publication */
  publish(publication) {
    this.#sending.set(publication, null);
    if (this.#ready) this.#attach(publication);
  }

  /** @param {Publication} publication */
  sends(publication) { return this.#sending.has(publication); }

  /** @param {Publication} publication */
  unpublish(publication) {
    const transceiver = this.#sending.get(publication);
    this.#sending.delete(publication);
    if (!transceiver || transceiver.currentDirection === 'stopped') return;
    transceiver.sender.replaceTrack(null);
    transceiver.direction = 'recvonly';
  }

  /** The publication has another track, or none for a while. @param {Publication} publication */
  replace(publication) {
    return this.#sending.get(publication)?.sender.replaceTrack(publication.track);
  }

  /** @param {SignalData} signal */
  receive(signal) {
    this.#work = this.#work.then(() => this.#receive(signal)).catch((error) => {
      if (this.pc.signalingState !== 'closed') console.warn('trefoil: a signal could not be applied', error);
    });
    return this.#work;
  }

  /** @param {RTCConfiguration} configuration  for the next gathering */
  configure(configuration) {
    this.pc.setConfiguration({ ...this.pc.getConfiguration(), ...configuration });
  }

  /** New candidates over whatever network there is now. */
  restart() { if (this.#ready) this.pc.restartIce(); }

  /** Nothing more is told of what the other side sends; what we send goes on. */
  release() {
    this.#note({});
    this.#released = true;
  }

  close() {
    clearTimeout(this.#healing);
    clearTimeout(this.#turnOver);
    this.pc.close();
    this.#note({});
  }

  /**
   * Offers that cross would need a rollback, after which Chromium (156) shows nothing more of the videos that it
   * receives. So between two of our kind the polite side asks for its turn, and the impolite side offers nothing between
   * giving it and seeing the offer.
   */
  #negotiate() {
    if (!this.#ready || this.#turn === 'given') return; // the event comes again once that offer is answered
    if (!this.#polite || !this.#kin) return this.#offer();
    if (this.#turn === 'asked') return;
    this.#turn = 'asked';
    this.#send({ connection: this.id, turn: 'ask' });
    this.#turnOver = setTimeout(() => this.#takeTurn(), TURN_MS);
  }

  /** The polite side's turn has come, or it waited long enough. */
  #takeTurn() {
    if (this.#turn !== 'asked') return;
    this.#turn = 'none';
    clearTimeout(this.#turnOver);
    return this.#offer();
  }

  /** The impolite side gives the other its turn as soon as it has no offer of its own under way. */
  #giveTurn() {
    if (this.#makingOffer || this.pc.signalingState !== 'stable') { this.#turn = 'wanted'; return; }
    this.#turn = 'given';
    this.#send({ connection: this.id, turn: 'yours' });
    this.#turnOver = setTimeout(() => { this.#turn = 'none'; this.#offer(); }, TURN_MS);
  }

  async #offer() {
    try {
      this.#makingOffer = true;
      await this.pc.setLocalDescription();
      this.#describe();
    } catch (error) {
      if (this.pc.signalingState !== 'closed') console.warn('trefoil: no offer could be made', error);
    } finally {
      this.#makingOffer = false;
    }
  }

  #describe() {
    const { localDescription } = this.pc;
    if (!localDescription) return;
    /** @type {Record<string, import('./types.js').TrackNote>} */
    const tracks = {};
    for (const [{ id, source }, transceiver] of this.#sending) if (transceiver?.mid) tracks[transceiver.mid] = { id, source };
    this.#send({ connection: this.id, description: { type: localDescription.type, sdp: localDescription.sdp }, tracks });
  }

  /** Candidates come in bursts; one message for a burst keeps a large room under the server's rate. @param {RTCIceCandidate} candidate */
  #tell(candidate) {
    if (this.#candidates.push(candidate.toJSON()) > 1) return;
    setTimeout(() => {
      if (this.pc.signalingState !== 'closed') this.#send({ connection: this.id, candidates: this.#candidates.splice(0) });
    }, GATHER_MS);
  }

  /** https://www.w3.org/TR/webrtc/#perfect-negotiation-example @param {SignalData} signal */
  async #receive({ description, candidates = [], tracks, turn }) {
    const { pc } = this;
    if (turn === 'ask' && !this.#polite) this.#giveTurn();
    if (turn === 'yours') await this.#takeTurn();
    for (const candidate of candidates) {
      try { await pc.addIceCandidate(candidate); } catch (error) { if (!this.#ignoreOffer) throw error; }
    }
    if (!description) return;
    const calm = !this.#makingOffer && (pc.signalingState === 'stable' || this.#settingAnswer);
    this.#ignoreOffer = !this.#polite && description.type === 'offer' && !calm;
    if (this.#ignoreOffer) return;
    this.#kin = Boolean(tracks);
    if (this.#turn === 'given') { this.#turn = 'none'; clearTimeout(this.#turnOver); }
    this.#settingAnswer = description.type === 'answer';
    try { await pc.setRemoteDescription(description); } finally { this.#settingAnswer = false; }
    this.#answered = true;
    this.#note(tracks);
    if (description.type !== 'offer') return;
    this.#ready = true;
    await this.#attachAll();
    await pc.setLocalDescription();
    this.#describe();
  }

  async #attachAll() {
    const waiting = [...this.#sending].filter(([, transceiver]) => !transceiver);
    await Promise.all(waiting.map(([publication]) => this.#attach(publication)));
  }

  /** Finds an idle m= section for a publication or makes one. @param {Publication} publication */
  async #attach(publication) {
    const { pc } = this, { track, kind, streams } = publication, taken = new Set(this.#sending.values());
    const idle = pc.getTransceivers().find((t) => !taken.has(t) && t.currentDirection !== 'stopped' && t.receiver.track.kind === kind);
    if (!idle) {
      this.#sending.set(publication, pc.addTransceiver(track ?? kind, { direction: 'sendrecv', streams }));
      return;
    }
    this.#sending.set(publication, idle);
    idle.sender.setStreams?.(...streams);
    idle.direction = 'sendrecv';
    await idle.sender.replaceTrack(track);
  }

  /** What the other side says it sends now, by mid. @param {SignalData['tracks']} tracks */
  #note(tracks) {
    if (this.#released) return;
    const now = new Map(), transceivers = this.pc.getTransceivers();
    for (const [mid, { id, source }] of Object.entries(tracks ?? this.#guess()).slice(0, TRACK_LIMIT)) {
      const track = transceivers.find((t) => t.mid === mid)?.receiver.track;
      if (track) now.set(String(id), { id: String(id), source: String(source), kind: track.kind, track, stream: this.#streamFor(String(source)) });
    }
    const ended = [...this.#receiving].filter(([id, was]) => now.get(id)?.track !== was.track);
    const begun = [...now].filter(([id]) => !this.#receiving.has(id) || ended.some(([gone]) => gone === id));
    for (const [id, { stream, track }] of ended) { this.#receiving.delete(id); stream.removeTrack(track); }
    // Streams are whole before anybody hears of them.
    for (const [id, track] of begun) { this.#receiving.set(id, track); track.stream.addTrack(track.track); }
    for (const [, track] of ended) this.emit('trackEnded', track);
    for (const [, track] of begun) this.emit('track', track);
    if (ended.length || begun.length) this.emit('tracks', undefined);
  }

  /** For another side that does not say: one track for each m= section that it sends on. */
  #guess() {
    /** @type {Record<string, import('./types.js').TrackNote>} */
    const tracks = {};
    for (const { mid, currentDirection, direction, receiver } of this.pc.getTransceivers()) {
      if (mid && /recv/.test(currentDirection ?? direction)) tracks[mid] = { id: mid, source: receiver.track.kind === 'audio' ? 'microphone' : 'camera' };
    }
    return tracks;
  }

  #watchPath() {
    clearTimeout(this.#healing);
    const { iceConnectionState } = this.pc;
    if (iceConnectionState === 'failed') this.restart();
    if (iceConnectionState === 'disconnected') this.#healing = setTimeout(() => this.restart(), this.#polite ? HEAL_MS.polite : HEAL_MS.impolite);
  }
}
