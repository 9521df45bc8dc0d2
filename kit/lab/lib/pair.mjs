//! Two people call each other on empty pages with nothing but the SDK, and the statistics tell the way that their media takes.
import { openBare } from './bare.mjs';
import { Person } from './person.mjs';
import { until } from './senses.mjs';

/**
 * Both join the room with tokens and publish their colour and tone; gives two Persons with the participant's `id`.
 * `transport` (`udp`, `tcp` or `tls`): of the ICE servers only TURN over it is used, and no path but through it.
 */
export async function callAsPair(t, server, room, people, transport) {
  const both = await Promise.all(people.map(({ browser, ...who }) => Person.at(browser, who)));
  t.after(() => Promise.all(both.map((person) => person.page.close())));
  for (const person of both) {
    await openBare(person.page, server.url);
    if (transport) await person.ev(useOnly, transport);
    person.id = await person.ev((options) => T.join(options), { token: server.token(room, person.name), relayOnly: Boolean(transport) });
    await person.ev(([colour, hz]) => T.publish(colour, hz), [person.colour, person.hz]);
  }
  return both;
}

/** Runs in the page: from now on connections know only the TURN servers of one transport. */
function useOnly(transport) {
  const wanted = (url) => transport === 'tls' ? url.startsWith('turns:') : url.startsWith('turn:') && url.endsWith(`?transport=${transport}`);
  const narrow = (configuration) => ({
    ...configuration,
    iceServers: configuration.iceServers.map((server) => ({ ...server, urls: [server.urls].flat().filter(wanted) })).filter(({ urls }) => urls.length),
  });
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(configuration) { super(narrow(configuration)); }
    setConfiguration(configuration) { super.setConfiguration(narrow(configuration)); }
  };
}

/** Asserts that each sees the other's colour moving and hears the other's tone. */
export async function meet([one, other]) {
  for (const [here, there] of [[one, other], [other, one]]) {
    const video = `#v-${there.id}-camera`;
    await until(`${here.name} has a picture of ${there.name}`, () => here.ev((selector) => document.querySelector(selector)?.videoWidth > 0, video));
    await Promise.all([here.sees(video, there), here.hears(video, there)]);
  }
}

/** Waits until media goes the expected way, and gives its statistics: `test` takes `{ route, local, remote }`. */
export const goes = (here, there, what, test) => until(`${here.name} sends ${what}`, async (note) => {
  const { route, local, remote, sendKbps, receiveKbps } = (await here.ev(() => T.room.stats()))[there.id] ?? {};
  note({ route, local, remote, sendKbps, receiveKbps });
  return local && remote && sendKbps > 0 && receiveKbps > 0 && test({ route, local, remote }) && { route, local, remote };
});
