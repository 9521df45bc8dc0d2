//! How well we receive, in three words for people, made of what the server measures.

/** Above any of these it is no longer good, or poor. */
const FAIR = { loss: 0.03, roundTripMs: 300 }, POOR = { loss: 0.1, roundTripMs: 700 };

/**
 * @typedef {import('./types.js').Quality} Quality
 * @typedef {import('./types.js').Reception} Reception
 */

/** @param {{loss: number, roundTripMs: number}} path @returns {Quality} */
function ofPath({ loss, roundTripMs }) {
  const beyond = (/** @type {typeof FAIR} */ limit) => loss > limit.loss || roundTripMs > limit.roundTripMs;
  return beyond(POOR) ? 'poor' : beyond(FAIR) ? 'fair' : 'good';
}

/**
 * The message of the server, with words. A track that the path has no room for at all is poor, one that is smaller than it
 * is shown is fair, and none is better than the path is.
 * @param {any} message @returns {Reception}
 */
export function receptionOf({ estimate_kbps, loss, round_trip_ms, tracks }) {
  const quality = ofPath({ loss, roundTripMs: round_trip_ms });
  return {
    quality, estimateKbps: estimate_kbps, loss, roundTripMs: round_trip_ms,
    tracks: tracks.map((/** @type {any} */ { track, kbps, limited_by }) => ({
      track, kbps, limitedBy: limited_by, quality: limited_by !== 'bandwidth' ? quality : kbps === 0 ? 'poor' : quality === 'good' ? 'fair' : quality,
    })),
  };
}
