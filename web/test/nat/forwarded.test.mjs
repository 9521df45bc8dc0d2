// Rooms whose media goes through the server, for somebody behind a firewall that lets no UDP pass: by ICE over TCP, and by TURN.
import test, { after, before } from 'node:test';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { allMeet, enter, palette, watched } from '../../../kit/lab/lib/forwarded.mjs';
import { buildLab } from '../../../kit/lab/lib/natlab.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

// Nothing says that the relay may reach this machine, or the lab's internet (a range that is refused to peers): its own media
// server it may.
const address = '203.0.113.10', site = `http://${address}:8080`;
const config = `
[server]
listen = ["${address}:8080"]
public_url = "${site}"
keys = [{ key = "lab", secret = "0123456789abcdef0123456789abcdef0123456789abcdef" }]
[server.rooms]
topology = "sfu"
[relay]
listen = ["${address}:3478"]
[media]
listen = ["${address}:3479"]
`;
let lab, server, locked, free;
before(async () => {
  lab = buildLab(`fw${process.pid}`);
  server = await startTrefoil({ config, netns: lab.host('srv'), http: null, relay: null });
  [locked, free] = await Promise.all(['a1', 'b1'].map((host) => launchChromium({ netns: lab.host(host), secure: [site] })));
  lab.nat('A', 'udpblock');
});
after(async () => {
  await Promise.all([locked?.close(), free?.close(), server?.stop()]);
  lab?.down();
});

/** Ann, whom no UDP reaches, and Bob, whom it does, see and hear each other. */
async function meet(t, room, { prepare = watched, options } = {}) {
  const ann = await enter(locked, server.url, room, palette[0], { prepare, options: { token: server.token(room, 'ann'), ...options } });
  const bob = await enter(free, server.url, room, palette[1], { options: { token: server.token(room, 'bob') } });
  t.after(() => Promise.all([ann.page.close(), bob.page.close()]));
  await allMeet(ann, bob);
  return ann;
}

/** Each connection of the page sends and receives over candidates of which `test` holds. */
const goes = ({ page }, what, test) => until(what, async (note) => {
  const pairs = await page.evaluate(() => Promise.all(window.connections.filter((pc) => pc.connectionState === 'connected').map(async (pc) => {
    const stats = await pc.getStats(), all = [...stats.values()];
    const pair = stats.get(all.find(({ type }) => type === 'transport').selectedCandidatePairId);
    const { candidateType, protocol, relayProtocol } = stats.get(pair.localCandidateId), remote = stats.get(pair.remoteCandidateId);
    return { candidateType, protocol, relayProtocol, remote: { address: remote.address, port: remote.port, protocol: remote.protocol } };
  })));
  note(pairs);
  return pairs.length === 2 && pairs.every(test);
});
const media = ({ remote }) => remote.address === address && remote.port === 3479;

test('somebody whom no UDP reaches meets the others by ICE over TCP', async (t) => {
  // Without any TURN server there is no other way.
  const ann = await meet(t, 'ice-tcp', { prepare: async (page) => {
    await watched(page);
    await page.addInitScript(() => {
      window.RTCPeerConnection = class extends window.RTCPeerConnection {
        constructor(configuration) { super({ ...configuration, iceServers: [] }); }
        setConfiguration(configuration) { super.setConfiguration({ ...configuration, iceServers: [] }); }
      };
    });
  } });
  await goes(ann, 'media goes over TCP', (pair) => media(pair) && pair.protocol === 'tcp' && pair.candidateType !== 'relay');
});

test('somebody whom no UDP reaches meets the others through TURN over TCP', async (t) => {
  const ann = await meet(t, 'turn-tcp', { options: { relayOnly: true } });
  await goes(ann, 'media goes through the relay', (pair) => media(pair) && pair.candidateType === 'relay' && pair.relayProtocol === 'tcp' && pair.remote.protocol === 'udp');
});
