//! A server at one end of a cable, and whoever wants to reach it at the other: rooms whose media goes through the server.
import { layCable } from './cable.mjs';
import { forwardedConfig } from './forwarded.mjs';
import { startTrefoil } from './trefoil.mjs';

/** `origin` is to be trusted by browsers. `stop` ends the server and cuts the cable. */
export async function startFar(name, { media = '' } = {}) {
  const cable = layCable(`${name}${process.pid}`);
  await cable.ready();
  const origin = `http://${cable.address}:8080`;
  const config = `${forwardedConfig}
[server]
listen = ["${cable.address}:8080"]
public_url = "${origin}"
keys = [{ key = "lab", secret = "0123456789abcdef0123456789abcdef0123456789abcdef" }]
[media]
listen = ["${cable.address}:3479"]
${media}`;
  try {
    const server = await startTrefoil({ config, netns: cable.srv, http: null, relay: null });
    return { cable, origin, server, stop: async () => { await server.stop(); cable.cut(); } };
  } catch (error) { cable.cut(); throw error; }
}
