//! Something that we send to everybody in the room: a camera, a microphone, a screen, or any track of the application's.
import { Emitter } from './emitter.js';

let made = 0;

/**
 * Events: `changed` (muted, unmuted or another track), `ended` (the device or the screen share is gone).
 * @extends {Emitter<{changed: Publication, ended: Publication}>}
 */
export class Publication extends Emitter {
  #open; #muted = false;
  /** @type {MediaStreamTrack | null} */ #track = null;

  /**
   * @param {object} options
   * @param {import('./types.js').Source} options.source
   * @param {MediaStreamTrack} options.track
   * @param {MediaStream[]} [options.streams]  tracks in one stream are played in time with each other
   * @param {(deviceId?: string) => Promise<MediaStreamTrack>} [options.open]  opens the device again
   * @param {string} [options.codec]  of a video through the media server: `VP8`, `VP9`, `AV1` or `H264`
   */
  constructor({ source, track, streams = [], open, codec }) {
    super();
    this.id = `${source}-${++made}`;
    this.source = source;
    this.kind = /** @type {'audio' | 'video'} */ (track.kind);
    this.streams = streams;
    this.codec = codec;
    this.#open = open;
    this.#take(track);
  }

  /** What is sent now; null while a camera is muted, whose light is then off. */
  get track() { return this.#track; }
  get muted() { return this.#muted; }
  /** The device in use, if it is one. */
  get deviceId() { return this.#track?.getSettings().deviceId; }

  /** Sends nothing until `unmute`. A device that can be opened again and shows a light is closed. */
  mute() {
    if (this.#muted) return;
    this.#muted = true;
    if (this.kind === 'video' && this.#open) this.#release();
    else if (this.#track) this.#track.enabled = false;
    this.emit('changed', this);
  }

  /** Rejects with a TrefoilError if the device cannot be opened any more. */
  async unmute() {
    if (!this.#muted) return;
    if (!this.#track && this.#open) this.#take(await this.#open());
    if (this.#track) this.#track.enabled = true;
    this.#muted = false;
    this.emit('changed', this);
  }

  /** Sends from another device. @param {string} [deviceId]  default: the system's choice */
  async switchDevice(deviceId) {
    if (!this.#open) throw new TypeError(`${this.source} is not a device`);
    // Some phones open one camera at a time, so the old one goes first.
    if (this.kind === 'video') this.#release();
    this.replace(await this.#open(deviceId));
  }

  /** Sends this track instead. @param {MediaStreamTrack} track */
  replace(track) {
    this.#release();
    this.#take(track);
    if (this.#muted && this.kind === 'video' && this.#open) this.#release();
    else track.enabled = !this.#muted;
    this.emit('changed', this);
  }

  /** Closes the device. The room calls it when the publication ends. */
  stop() { this.#release(); }

  /** @param {MediaStreamTrack} track */
  #take(track) {
    this.#track = track;
    track.onended = () => { if (this.#track === track) this.emit('ended', this); };
  }

  #release() {
    if (!this.#track) return;
    this.#track.onended = null;
    this.#track.stop();
    this.#track = null;
  }
}
