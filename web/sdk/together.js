//! What belongs together is one MediaStream: face and voice, a screen and its sound; whichever way they come.

/** @type {Record<string, string>} */
const GROUPS = { microphone: 'camera', 'screen-audio': 'screen' };

export class Together {
  /** @type {Map<string, MediaStream>} */ #streams = new Map();

  /** The stream for what somebody sends from this source. @param {string} participant @param {string} source */
  of(participant, source) {
    const name = `${participant} ${GROUPS[source] ?? source}`, stream = this.#streams.get(name) ?? new MediaStream();
    this.#streams.set(name, stream);
    return stream;
  }

  /** Forgets what nothing is in any more. */
  tidy() { for (const [name, stream] of this.#streams) if (stream.getTracks().length === 0) this.#streams.delete(name); }
}
