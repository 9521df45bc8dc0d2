//! Watches one transport: a path that breaks gets an ICE restart, and if that is of no use a new transport.

/** How long a path may heal by itself. */
const HEAL_MS = 3_000;
/** How long an ICE restart may take. */
const RESTART_MS = 10_000;

/** Until it is closed. */
export class Path {
  #pc; #restart; #renew;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #healing;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #restarting;

  /** @param {RTCPeerConnection} pc @param {{restart: () => void, renew: () => void}} does */
  constructor(pc, { restart, renew }) {
    this.#pc = pc; this.#restart = restart; this.#renew = renew;
    pc.addEventListener('connectionstatechange', () => this.#look());
  }

  #look() {
    const { connectionState } = this.#pc;
    clearTimeout(this.#healing);
    if (connectionState === 'connected') { clearTimeout(this.#restarting); this.#restarting = undefined; }
    if (connectionState === 'disconnected') this.#healing = setTimeout(() => this.#mend(), HEAL_MS);
    if (connectionState === 'failed') this.#mend();
  }

  #mend() {
    if (this.#restarting !== undefined) return;
    this.#restarting = setTimeout(() => this.#renew(), RESTART_MS);
    this.#restart();
  }

  close() { clearTimeout(this.#healing); clearTimeout(this.#restarting); }
}

/** Waits longer each time, until it goes well. */
export class Patience {
  #most; #times = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {number} [most]  milliseconds */
  constructor(most = 15_000) { this.#most = most; }

  /** Calls `then` after a while, and not twice. @param {() => void} then */
  wait(then) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, Math.min(500 * 2 ** this.#times++, this.#most));
  }
  /** It went well. */
  forget() { this.#times = 0; }
  stop() { clearTimeout(this.#timer); }
}
