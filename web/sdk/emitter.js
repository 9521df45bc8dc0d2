//! A small typed event source: `on` returns the function that takes the listener off again.

/** @template {Record<string, any>} Events */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof Events} K
   * @param {K} type
   * @param {(detail: Events[K]) => void} listener
   * @returns {() => void} takes the listener off
   */
  on(type, listener) {
    let all = this.#listeners.get(type);
    if (!all) this.#listeners.set(type, all = new Set());
    all.add(listener);
    return () => { all.delete(listener); };
  }

  /**
   * @template {keyof Events} K
   * @param {K} type
   * @param {(detail: Events[K]) => void} listener
   * @returns {() => void} takes the listener off
   */
  once(type, listener) {
    const off = this.on(type, (detail) => { off(); listener(detail); });
    return off;
  }

  /**
   * Calls every listener; one that throws does not keep the others from hearing.
   * @template {keyof Events} K
   * @param {K} type
   * @param {Events[K]} detail
   */
  emit(type, detail) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try { listener(detail); } catch (error) { console.error(error); }
    }
  }
}
