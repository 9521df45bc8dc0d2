//! Cameras, microphones and screens: opening, listing, and hearing of changes.
import { TrefoilError, mediaError } from './errors.js';

function devices() {
  const { mediaDevices } = navigator;
  if (!mediaDevices) throw new TrefoilError('insecure_context', 'browsers open devices on https: and localhost only');
  return mediaDevices;
}

/** @param {MediaStreamConstraints} constraints @param {'audio' | 'video'} kind */
async function open(constraints, kind) {
  const source = devices();
  try {
    const [track] = (await source.getUserMedia(constraints)).getTracks().filter((t) => t.kind === kind);
    return track;
  } catch (cause) {
    throw mediaError(cause);
  }
}

/** @param {MediaTrackConstraints} [constraints] @returns {Promise<MediaStreamTrack>} rejects with a TrefoilError */
export const openCamera = (constraints = {}) => open({
  video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, ...constraints },
}, 'video');

/** @param {MediaTrackConstraints} [constraints] @returns {Promise<MediaStreamTrack>} rejects with a TrefoilError */
export const openMicrophone = (constraints = {}) => open({
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...constraints },
}, 'audio');

/** A screen, window or tab, with its sound where the browser gives it. @param {DisplayMediaStreamOptions} [options] */
export async function openScreen(options = { video: { frameRate: { ideal: 15 } }, audio: true }) {
  const source = devices();
  if (!source.getDisplayMedia) throw new TrefoilError('media_failed', 'this browser cannot share a screen');
  try {
    return await source.getDisplayMedia(options);
  } catch (cause) {
    throw mediaError(cause);
  }
}

/**
 * Names are empty until a permission was given.
 * @returns {Promise<{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[], speakers: MediaDeviceInfo[]}>}
 */
export async function listDevices() {
  const all = await devices().enumerateDevices();
  const of = (/** @type {MediaDeviceKind} */ kind) => all.filter((d) => d.kind === kind && d.deviceId);
  return { cameras: of('videoinput'), microphones: of('audioinput'), speakers: of('audiooutput') };
}

/** Calls when something was plugged in or out. @param {() => void} listener @returns {() => void} takes it off */
export function onDevicesChanged(listener) {
  const source = navigator.mediaDevices;
  source?.addEventListener('devicechange', listener);
  return () => source?.removeEventListener('devicechange', listener);
}

/** Calls when the machine may have another network. @param {() => void} listener @returns {() => void} takes it off */
export function onNetworkChanged(listener) {
  const connection = /** @type {any} */ (globalThis.navigator)?.connection;
  let kind = connection?.type;
  // `change` also tells of new estimates of the same network's speed.
  const changed = () => { if (connection.type !== kind) { kind = connection.type; listener(); } };
  globalThis.addEventListener?.('online', listener);
  connection?.addEventListener?.('change', changed);
  return () => {
    globalThis.removeEventListener?.('online', listener);
    connection?.removeEventListener?.('change', changed);
  };
}
