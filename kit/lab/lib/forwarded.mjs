//! Rooms whose media goes through the server, on empty pages: everybody in a browser of their own, each a colour and a tone.
import { openBare } from './bare.mjs';
import { isColour, listen, look, until } from './senses.mjs';

/** A server whose rooms go through it from the first participant on; guests may moderate. */
export const forwardedConfig = '[server.rooms]\ntopology = "sfu"\nguest_role = "moderator"\n';
export const palette = [['red', 400], ['blue', 1200], ['lime', 800], ['yellow', 1600]];

/** Lets a test see every RTCPeerConnection of a page, how often each was given a description, and cut the WebSocket. */
export const watched = (page) => page.addInitScript(() => {
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    descriptions = 0;
    constructor(...args) { super(...args); window.connections.push(this); }
    setRemoteDescription(...args) { this.descriptions++; return super.setRemoteDescription(...args); }
  };
  window.WebSocket = class extends WebSocket { constructor(...args) { super(...args); window.socket = this; } };
});

/** Opens a page in the browser, joins and publishes; gives what `meets` and others need. */
export async function enter(browser, url, room, [colour, hz], { publish = true, size, codec, options = {}, prepare = watched } = {}) {
  const page = await browser.page();
  await prepare(page);
  await openBare(page, url);
  const id = await page.evaluate((o) => T.join(o), { room, name: colour, ...options });
  if (publish) await page.evaluate(([c, h, s, k]) => T.publish(c, h, s, k), [colour, hz, size, codec]);
  return { page, id, colour, hz };
}

/** Asserts that `one` sees the other's colour moving, and hears their tone. */
export async function meets(one, other) {
  const video = `#v-${other.id}-camera`;
  await until(`${one.colour} sees ${other.colour}`, async (note) => {
    const seen = await one.page.evaluate(look, video);
    note(seen);
    return seen.frames > 2 && seen.motion > 0.2 && (other.colour === 'changing' || isColour(seen.colour, other.colour));
  });
  await until(`${one.colour} hears ${other.hz} Hz`, async (note) => {
    const heard = await one.page.evaluate(listen, video);
    note(heard);
    return heard.decibel > -70 && Math.abs(heard.hz - other.hz) < 15;
  });
}

/** Everybody asserts that everybody else is seen and heard. */
export async function allMeet(...people) {
  for (const one of people) await Promise.all(people.filter((other) => other !== one).map((other) => meets(one, other)));
}

/** The height of somebody's picture as it comes. */
export const heightOf = (one, other, source = 'camera') => one.page.evaluate((id) => document.getElementById(id)?.videoHeight ?? 0, `v-${other.id}-${source}`);

/** A browser with much to do would send smaller pictures in the encoding that we ask for: not this one's camera. */
export const keepSizes = ({ page }) => until('no size but ours', () => page.evaluate(async () => {
  const sender = window.connections.flatMap((pc) => pc.getSenders()).find(({ track }) => track?.kind === 'video'), parameters = sender.getParameters();
  await sender.setParameters({ ...parameters, degradationPreference: 'maintain-resolution' });
  return true;
}));
