//! Asks the server for a seat over HTTP, then takes it over the WebSocket.
import { TrefoilError } from './errors.js';
import { Room } from './room.js';
import { Signalling } from './signalling.js';

/**
 * Joins a room. Rejects with a TrefoilError: a code of docs/PROTOCOL.md, or `network`.
 * @param {import('./types.js').JoinOptions} [options]
 * @returns {Promise<Room>}
 */
export async function join(options = {}) {
  const url = new URL(options.url ?? globalThis.location.href);
  const seat = guestSeat(options, url);
  const first = await takeSeat(url, seat, options);
  let fresh = true;
  const hello = async () => {
    // After a lost session the token may be of another server's life, so a guest asks again.
    const { token } = fresh ? first : await takeSeat(url, seat, options);
    fresh = false;
    return { token };
  };
  const signalling = new Signalling({ url: first.signalling_url, hello, WebSocket: options.WebSocket, reconnectSeconds: options.reconnectSeconds });
  const room = new Room(signalling, options);
  await signalling.open();
  if (options.name && options.name !== room.me.name) room.rename(options.name);
  return room;
}

/**
 * What a join needs to know: the given token's, or a guest's, whose token from before is good for the same seat.
 * @param {URL} url @param {ReturnType<typeof guestSeat>} seat @param {import('./types.js').JoinOptions} options
 */
async function takeSeat(url, seat, options) {
  if (options.token) return ask(url, options.token, options);
  const before = seat.load();
  let answer;
  try {
    answer = await ask(url, before, options);
  } catch (error) {
    if (!before || !(error instanceof TrefoilError) || error.code !== 'unauthorized') throw error;
    answer = await ask(url, null, options);
  }
  seat.save(answer.token);
  return answer;
}

/** @param {URL} url @param {string | null | undefined} token @param {import('./types.js').JoinOptions} options */
async function ask(url, token, { namespace, room, name, fetch = globalThis.fetch }) {
  let response, body;
  try {
    response = await fetch(new URL('/v1/join', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(token ? {} : { namespace, room, name }),
    });
    body = await response.json();
  } catch (cause) {
    throw new TrefoilError('network', `no answer from ${url.origin}`, { cause });
  }
  if (response.ok) return body;
  const retryAfter = Number(response.headers.get('retry-after'));
  throw new TrefoilError(body.error?.code ?? 'network', body.error?.message ?? `HTTP ${response.status}`, {
    of: 'join', retryAfterSeconds: body.error?.retry_after_seconds ?? (retryAfter || undefined),
  });
}

/** Where a guest's token is kept, so that a reload takes the old seat. @param {import('./types.js').JoinOptions} options @param {URL} url */
function guestSeat({ namespace = 'default', room = 'lobby', storage = sessionStore() }, url) {
  const key = `trefoil ${url.origin} ${namespace} ${room}`;
  return {
    load: () => storage?.getItem(key) ?? null,
    save: (/** @type {string} */ token) => storage?.setItem(key, token),
  };
}

/** Forbidden in some frames, absent outside browsers. */
function sessionStore() {
  try { return globalThis.sessionStorage ?? null; } catch { return null; }
}
