//! What things are that somebody publishes: the server writes one of the names otherwise, and takes no others than these.
import { TrefoilError } from './errors.js';

const NAME = /^[A-Za-z0-9._-]{1,32}$/;

/** @param {string} source */
export const toWire = (source) => (source === 'screen-audio' ? 'screen_audio' : source);
/** @param {string} source */
export const fromWire = (source) => (source === 'screen_audio' ? 'screen-audio' : source);

/** Whoever names a source otherwise is told at once, whichever way media goes. @param {string} source */
export function checkSource(source) {
  if (!NAME.test(source)) throw new TrefoilError('invalid_name', `${source} is no source: 1 to 32 of A-Z a-z 0-9 - _ .`);
}
