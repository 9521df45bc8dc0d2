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

  /**
   * Puts a track into a stream. The tracks of one place have the same id on each connection to the server, and a stream
   * takes no two of the same id.
   * @param {MediaStream} stream @param {MediaStreamTrack} track
   */
  static add(stream, track) {
    const before = stream.getTrackById(track.id);
    if (before && before !== track) stream.removeTrack(before);
    stream.addTrack(track);
  }

  /** Takes a track out, if it is still in. @param {MediaStream} stream @param {MediaStreamTrack} track */
  static remove(stream, track) { if (stream.getTracks().includes(track)) stream.removeTrack(track); }

  /** Forgets what nothing is in any more. */
  tidy() { for (const [name, stream] of this.#streams) if (stream.getTracks().length === 0) this.#streams.delete(name); }
}
