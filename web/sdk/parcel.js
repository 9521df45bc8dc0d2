//! Messages on the data channels to the server: who shall have them, or who sent them, before the payload.

/** What a message may be long, with all that stands before it; the server passes on no more. */
export const PARCEL_BYTES = 64 * 1024;
/** As many may be named; more are everybody. */
const RECIPIENTS = 64;
const TEXT = 1;
const encoder = new TextEncoder(), decoder = new TextDecoder();

/**
 * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer>} payload
 * @param {string[]} to  participants; nobody for everybody else
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function wrap(payload, to) {
  if (to.length > RECIPIENTS) throw new RangeError(`a message has ${RECIPIENTS} recipients at most`);
  const text = typeof payload === 'string';
  const body = text ? encoder.encode(payload) : ArrayBuffer.isView(payload) ? new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength) : new Uint8Array(payload);
  const ids = to.map((id) => encoder.encode(id));
  const parcel = new Uint8Array(2 + ids.reduce((sum, id) => sum + 1 + id.length, 0) + body.length);
  parcel.set([text ? TEXT : 0, ids.length]);
  let at = 2;
  for (const id of ids) {
    parcel[at] = id.length;
    parcel.set(id, at + 1);
    at += 1 + id.length;
  }
  parcel.set(body, at);
  return parcel;
}

/**
 * What the server passes on; null if it is nonsense.
 * @param {ArrayBuffer} parcel @returns {{from: string, data: string | ArrayBuffer} | null}
 */
export function unwrap(parcel) {
  const bytes = new Uint8Array(parcel), length = bytes[1];
  if (bytes.length < 2 || bytes.length < 2 + length) return null;
  const from = decoder.decode(bytes.subarray(2, 2 + length)), payload = parcel.slice(2 + length);
  return { from, data: bytes[0] & TEXT ? decoder.decode(payload) : payload };
}
