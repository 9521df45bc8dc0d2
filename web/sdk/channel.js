//! Sending over data channels without filling memory: wait until what was sent has gone out.
import { TrefoilError } from './errors.js';

/** So many bytes may wait in a channel before a sender has to. */
export const BUFFER_BYTES = 1 << 20;

/** Resolves once the channel is open; rejects with `no_channel` if it never will be. @param {RTCDataChannel} channel */
export function opened(channel) {
  return new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
    const fail = () => reject(new TrefoilError('no_channel', `the data channel is ${channel.readyState}`));
    if (channel.readyState === 'open') return resolve();
    if (channel.readyState !== 'connecting') return fail();
    channel.addEventListener('open', () => resolve(), { once: true });
    channel.addEventListener('close', fail, { once: true });
  });
}

/** Resolves when there is room to send more; rejects with `no_channel` if the channel closes. @param {RTCDataChannel} channel */
export function drained(channel) {
  return new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
    const fail = () => reject(new TrefoilError('no_channel', 'the data channel closed'));
    if (channel.readyState !== 'open') return fail();
    if (channel.bufferedAmount <= BUFFER_BYTES) return resolve();
    channel.bufferedAmountLowThreshold = BUFFER_BYTES / 2;
    const stop = new AbortController(), once = { once: true, signal: stop.signal };
    channel.addEventListener('bufferedamountlow', () => { stop.abort(); resolve(); }, once);
    channel.addEventListener('close', () => { stop.abort(); fail(); }, once);
  });
}
