//! The moment in which a room begins to go through the server: what came from each other stays until what comes from the
//! server is there, so that nobody is left without a picture.

/** How often we look whether it is there. */
const LOOK_MS = 200;
/** After so long we wait no more. */
const PATIENCE_MS = 15_000;

/** One for each change of a room; it lets go of the mesh participant by participant. */
export class Handover {
  #mesh; #forwarded; #tell; #over;
  /** Who is not done, and who of the two is. @type {Map<string, {ours: boolean, theirs: boolean}>} */ #left = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #deadline = performance.now() + PATIENCE_MS;

  /**
   * @param {object} options
   * @param {import('./mesh.js').Mesh} options.mesh
   * @param {import('./forwarded.js').Forwarded} options.forwarded
   * @param {(participant: string) => void} options.tell  says that we need nothing more from the mesh
   * @param {() => void} options.over
   */
  constructor({ mesh, forwarded, tell, over }) {
    this.#mesh = mesh; this.#forwarded = forwarded; this.#tell = tell; this.#over = over;
    for (const participant of mesh.participants) {
      if (mesh.isUnanswered(participant)) { mesh.drop(participant); continue; }
      this.#left.set(participant, { ours: false, theirs: false });
      forwarded.hold(participant);
    }
  }

  start() { this.#look(); }

  /** Whether somebody's media still comes from themselves. @param {string} participant */
  holds(participant) { return this.#left.get(participant)?.ours === false; }

  /** The other side needs nothing more from the mesh. @param {string} participant */
  told(participant) {
    const state = this.#left.get(participant);
    if (!state) return;
    state.theirs = true;
    this.#end(participant, state);
  }

  /** Somebody is gone. @param {string} participant */
  drop(participant) {
    this.#left.delete(participant);
    this.#mesh.drop(participant);
  }

  close() {
    clearTimeout(this.#timer);
    this.#left.clear();
  }

  async #look() {
    const late = performance.now() > this.#deadline;
    for (const [participant, state] of [...this.#left]) {
      if (!state.ours && (late || await this.#isHere(participant)) && this.#left.has(participant)) this.#take(participant, state);
      this.#end(participant, late ? { ours: true, theirs: true } : state);
    }
    if (this.#left.size) this.#timer = setTimeout(() => this.#look(), LOOK_MS); else this.#over();
  }

  /** Whether all that somebody sends to us has come through the server too. @param {string} participant */
  async #isHere(participant) {
    if (this.#forwarded.state !== 'connected') return false;
    const here = await this.#forwarded.arrived(participant).catch(() => new Set());
    return this.#mesh.tracksOf(participant).every(({ source }) => here.has(source));
  }

  /** @param {string} participant @param {{ours: boolean, theirs: boolean}} state */
  #take(participant, state) {
    state.ours = true;
    this.#forwarded.reveal(participant);
    this.#mesh.release(participant);
    this.#tell(participant);
    this.#end(participant, state);
  }

  /** @param {string} participant @param {{ours: boolean, theirs: boolean}} state */
  #end(participant, { ours, theirs }) {
    // A file that is on its way may arrive.
    if (!ours || !theirs || this.#mesh.isBusy(participant) || !this.#left.delete(participant)) return;
    this.#mesh.drop(participant);
  }
}
