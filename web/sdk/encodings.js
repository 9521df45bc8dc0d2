//! How a track is encoded on its way to the media server: simulcast, layers, codec, and what is paused.

/**
 * A camera in three sizes, each in three frame rates, so that everybody gets what they show and their path carries.
 * @type {RTCRtpEncodingParameters[]}
 */
const CAMERA = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];
/** A small screen would not be legible, so there is one size; its frame rate may be thinned. @type {RTCRtpEncodingParameters[]} */
const SCREEN = [{ maxBitrate: 2_500_000 }];
/** Sound of a screen is music more often than not. @type {Record<string, RTCRtpEncodingParameters[]>} */
const SOUND = { 'screen-audio': [{ maxBitrate: 128_000 }] };
/** A picture that is less wide than this is not worth a smaller copy, and one that is half of it none at all. */
const WIDE = 960;
const LAYERS = { scalabilityMode: 'L1T3' };

/**
 * The encodings for a track of this kind and source; the smallest comes first.
 * @param {'audio' | 'video'} kind @param {import('./types.js').Source} source @param {number} [width]  of the picture, if it is known
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsFor(kind, source, width = WIDE) {
  if (kind === 'audio') return (SOUND[source] ?? [{}]).map((encoding) => ({ ...encoding }));
  const all = source === 'screen' ? SCREEN : CAMERA.slice(width >= WIDE ? 0 : width >= WIDE / 2 ? 1 : 2);
  return all.map((encoding) => ({ ...encoding, ...LAYERS }));
}

/**
 * Pauses what nobody needs. Whether that changes anything.
 * @param {{rid?: string, active?: boolean}[]} encodings  of `sender.getParameters()`; changed in place
 * @param {{any: boolean, rids: string[]}} needed
 */
export function pause(encodings, { any, rids }) {
  let changed = false;
  for (const encoding of encodings) {
    const active = any && (encoding.rid === undefined || rids.length === 0 || rids.includes(encoding.rid));
    changed ||= (encoding.active ?? true) !== active;
    encoding.active = active;
  }
  return changed;
}

/** What goes with any codec: retransmission and redundancy. */
const BESIDE = /^video\/(rtx|red|ulpfec|flexfec-03)$/i;

/**
 * Of a browser's codecs the one wanted and what goes with any; all where it is not among them.
 * @template {{mimeType: string}} C
 * @param {C[]} codecs @param {string} name  such as `VP9`
 */
export function only(codecs, name) {
  const wanted = (/** @type {C} */ { mimeType }) => mimeType.toLowerCase() === `video/${name.toLowerCase()}`;
  return codecs.some(wanted) ? codecs.filter((codec) => wanted(codec) || BESIDE.test(codec.mimeType)) : codecs;
}
