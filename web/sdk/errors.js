//! Every failure that the SDK reports is a TrefoilError with a code; words for people are the application's.

/**
 * Codes of the server are listed in docs/PROTOCOL.md. The SDK adds: `network` (the server cannot be reached),
 * `left` (the room was left), `permission_denied`, `device_not_found`, `device_busy`, `insecure_context`,
 * `media_failed`, `no_channel` (no data channel to that participant), `too_large` (for one message of it),
 * `transfer_cancelled`, `transfer_broken`, `hash_mismatch`.
 */
export class TrefoilError extends Error {
  /**
   * @param {string} code
   * @param {string} message  for developers
   * @param {{cause?: unknown, retryAfterSeconds?: number, of?: string}} [more]
   */
  constructor(code, message, more = {}) {
    super(message, { cause: more.cause });
    this.name = 'TrefoilError';
    this.code = code;
    /** @type {number | undefined} */
    this.retryAfterSeconds = more.retryAfterSeconds;
    /** Type of the message that was refused. @type {string | undefined} */
    this.of = more.of;
  }
}

/** @param {import('./types.js').Refused} refused */
export const refusal = (refused) => new TrefoilError(refused.code, refused.message, {
  retryAfterSeconds: refused.retry_after_seconds, of: refused.of,
});

/** @type {Record<string, string>} */
const mediaCodes = {
  NotAllowedError: 'permission_denied', SecurityError: 'permission_denied',
  NotFoundError: 'device_not_found', OverconstrainedError: 'device_not_found',
  NotReadableError: 'device_busy', AbortError: 'device_busy',
};

/** What getUserMedia and getDisplayMedia throw, by code. @param {unknown} cause */
export function mediaError(cause) {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  return new TrefoilError(mediaCodes[name] ?? 'media_failed', `the device could not be opened: ${cause}`, { cause });
}
