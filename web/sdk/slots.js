//! Which track is in which place of what we receive, and whose it is.

/**
 * @typedef {import('./types.js').PublishedTrack} PublishedTrack
 * @typedef {{participant: string, mid: string, published: PublishedTrack, track: MediaStreamTrack}} Shown
 */

/** What the server calls the track in which all others are mixed. */
const MIX = 'mix';

/** What the server said last, and what of it is shown. */
export class Slots {
  /** By participant. @type {Map<string, PublishedTrack[]>} */ #published = new Map();
  /** By mid, a track's id and what receives it. @type {Map<string, {id: string, track: MediaStreamTrack | undefined}>} */ #places = new Map();
  /** By a track's id. @type {Map<string, Shown>} */ #shown = new Map();

  /** What somebody publishes, shown or not. @param {string} participant */
  publishedBy(participant) {
    return (this.#published.get(participant) ?? []).map((published) => ({ ...published, shown: this.#shown.has(published.id) }));
  }

  /** The place in which a track is now. @param {string} id @returns {string | undefined} */
  placeOf(id) { return [...this.#places].find(([, place]) => place.id === id)?.[0]; }

  /** All others in one track, if that is how we hear. */
  get mix() { return [...this.#places.values()].find(({ id }) => id === MIX)?.track ?? null; }

  /** What is shown now. */
  get shown() { return [...this.#shown.values()]; }

  /** All that somebody publishes now. @param {string} participant @param {PublishedTrack[]} tracks */
  publishes(participant, tracks) {
    if (tracks.length) this.#published.set(participant, tracks); else this.#published.delete(participant);
    this.#look();
  }

  /**
   * All places that something is in now, and the receivers' tracks by mid. They belong to the places until these are told
   * anew, so a new transport ends nothing before it brings something.
   * @param {{mid: string, track: string}[]} slots @param {Map<string, MediaStreamTrack>} tracks
   */
  fill(slots, tracks) {
    this.#places = new Map(slots.map(({ mid, track }) => [mid, { id: track, track: tracks.get(mid) }]));
    this.#look();
  }

  /** A muted track has no place, but stays as it is while nobody else takes that, like one that comes without a server. */
  #look() {
    /** @type {Map<string, Shown>} */
    const now = new Map(), known = new Map();
    for (const [participant, all] of this.#published) for (const published of all) known.set(published.id, { participant, published });
    for (const [mid, { id, track }] of this.#places) if (track && known.has(id)) now.set(id, { ...known.get(id), mid, track });
    for (const [id, was] of this.#shown) {
      const is = known.get(id);
      if (is?.published.muted && !now.has(id) && !this.#places.has(was.mid)) now.set(id, { ...was, ...is });
    }
    this.#shown = now;
  }
}
