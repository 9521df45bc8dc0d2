//! Who speaks, where no server says it: what comes from each other is listened to from time to time.

const EVERY_MS = 200;
/** Louder than this is speech, in dBov. */
const AUDIBLE = -50;
/** Who was silent for less than this still speaks. */
const PAUSE_MS = 600;

/** @typedef {import('./types.js').Speaker} Speaker */

/** Looks at what all participants send, and tells when others speak than before. */
export class Loudness {
  #receivers; #heard;
  /** When each was last audible, and how loud. @type {Map<string, {at: number, level: number}>} */ #last = new Map();
  #told = '';
  /** @type {ReturnType<typeof setInterval>} */ #timer;

  /** @param {() => [string, RTCRtpReceiver][]} receivers  of sound, by participant @param {(speakers: Speaker[]) => void} heard */
  constructor(receivers, heard) {
    this.#receivers = receivers; this.#heard = heard;
    this.#timer = setInterval(() => this.look(performance.now()), EVERY_MS);
  }

  /** @param {number} now */
  look(now) {
    for (const [participant, receiver] of this.#receivers()) {
      const level = Math.round(20 * Math.log10(Math.max(0, ...receiver.getSynchronizationSources().map(({ audioLevel = 0 }) => audioLevel))));
      if (level > AUDIBLE) this.#last.set(participant, { at: now, level });
    }
    for (const [participant, { at }] of this.#last) if (now - at > PAUSE_MS) this.#last.delete(participant);
    const speakers = [...this.#last].map(([participant, { level }]) => ({ participant, level })).sort((a, b) => b.level - a.level);
    const told = speakers.map(({ participant }) => participant).sort().join();
    if (told === this.#told) return;
    this.#told = told;
    this.#heard(speakers);
  }

  stop() { clearInterval(this.#timer); }
}
