//! What is on our screen, as the server is told: put together, not too often, and again when it may have been forgotten.

/** Changes within this time are told together. */
const TOGETHER_MS = 100;
const HIGHEST = 0xffff, FIRST = 0xff;

/**
 * @typedef {import('./types.js').Wish} Wish
 * @typedef {{track: string, height: number, priority: number}} TrackWish
 */

/** Wishes of the application, told by tracks. */
export class View {
  #tracksOf; #send;
  /** @type {Wish[] | null} */ #wishes = null;
  #told = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /**
   * @param {(participant: string) => {id: string, kind: string, source: string}[]} tracksOf  what somebody publishes
   * @param {(message: {type: 'view', tracks?: TrackWish[]}) => void} send
   */
  constructor(tracksOf, send) { this.#tracksOf = tracksOf; this.#send = send; }

  /** Shows these and nothing else; everything if there are none. @param {Wish[] | null} wishes */
  show(wishes) {
    this.#wishes = wishes;
    this.refresh();
  }

  /** Somebody publishes something else: the same wishes may mean other tracks. */
  refresh() { this.#timer ??= setTimeout(() => this.#tell(), TOGETHER_MS); }

  /** The server begins anew and knows nothing. */
  forget() {
    this.#told = '';
    if (this.#wishes) this.refresh();
  }

  /** Whether a track is wanted, as far as the application has said. @param {string} id */
  wants(id) { return !this.#wishes || this.tracks().some(({ track }) => track === id); }

  /** What the wishes mean now. What is not shown is not named. @returns {TrackWish[]} */
  tracks() {
    /** @type {Map<string, TrackWish>} */
    const all = new Map();
    for (const wish of this.#wishes ?? []) {
      const height = Math.min(Math.ceil(wish.height), HIGHEST), priority = Math.min(Math.max(Math.round(wish.priority ?? 1), 0), FIRST);
      if (!(height > 0)) continue;
      for (const track of this.#meant(wish)) {
        const before = all.get(track);
        all.set(track, { track, height: Math.max(height, before?.height ?? 0), priority: Math.max(priority, before?.priority ?? 0) });
      }
    }
    return [...all.values()];
  }

  close() { clearTimeout(this.#timer); }

  /** @param {Wish} wish */
  #meant({ track, participant, source = 'camera' }) {
    if (track !== undefined) return [typeof track === 'string' ? track : track.id];
    return this.#tracksOf(participant ?? '').filter((t) => t.kind === 'video' && t.source === source).map(({ id }) => id);
  }

  #tell() {
    this.#timer = undefined;
    const message = /** @type {const} */ ({ type: 'view', ...(this.#wishes && { tracks: this.tracks() }) }), told = JSON.stringify(message);
    if (told === this.#told || (!this.#wishes && !this.#told)) return;
    this.#told = told;
    this.#send(message);
  }
}
