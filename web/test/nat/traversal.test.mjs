// Calls out of homes that let less and less pass, to our server on the internet (network namespaces): TURN over UDP, TCP, TLS on 443.
import test, { after, before } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { makeCertificate } from '../../../kit/lab/lib/certificate.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { buildLab } from '../../../kit/lab/lib/natlab.mjs';
import { callAsPair, goes, meet } from '../../../kit/lab/lib/pair.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'trefoil-traversal-'));
const { certificate, key } = makeCertificate(folder, 'srv.test');
// Inside the lab every address and port is ours alone. Its internet is a range that is otherwise refused to peers.
const address = '203.0.113.10';
const config = `
[server]
listen = ["${address}:8080"]
public_url = "https://srv.test"
keys = [{ key = "lab", secret = "0123456789abcdef0123456789abcdef0123456789abcdef" }]
[relay]
listen = ["${address}:3478"]
allow_peers = ["203.0.113.0/24"]
[https]
listen = ["${address}:443"]
certificate = "${certificate}"
key = "${key}"
`;
let lab, server, homeA, homeB;

before(async () => {
  lab = buildLab(`tv${process.pid}`);
  server = await startTrefoil({ config, netns: lab.host('srv'), http: null, relay: null });
  [homeA, homeB] = await Promise.all(['a1', 'b1'].map((host) => launchChromium({ netns: lab.host(host), extra: ['--ignore-certificate-errors'] })));
});
after(async () => {
  await Promise.all([homeA?.close(), homeB?.close(), server?.stop()]);
  lab?.down();
  rmSync(folder, { recursive: true });
});

/** Ann behind one kind of NAT and Bob behind another are in a call and have seen and heard each other. */
async function inCall(t, natA, natB) {
  lab.nat('A', natA);
  lab.nat('B', natB);
  const pair = await callAsPair(t, server, `${natA}-${natB}`, [
    { browser: homeA, name: 'Ann', colour: 'red', hz: 400 }, { browser: homeB, name: 'Bob', colour: 'blue', hz: 1200 },
  ]);
  await meet(pair);
  return pair;
}

const ours = (candidate) => candidate.type === 'relay' && candidate.address === address;
const over = (protocol) => ({ local }) => ours(local) && local.relayProtocol === protocol;

test('behind two symmetric NATs the call goes through our relay over UDP', async (t) => {
  const [ann, bob] = await inCall(t, 'symmetric', 'symmetric');
  const udp = ({ route, local, remote }) => route === 'relay' && [local, remote].filter(({ type }) => type === 'relay').every(ours)
    && (local.type !== 'relay' || local.relayProtocol === 'udp');
  await goes(ann, bob, 'through our relay over UDP', udp);
  await goes(bob, ann, 'through our relay over UDP', udp);
});

test('a home without UDP is reached through our relay over TCP', async (t) => {
  const [ann, bob] = await inCall(t, 'udpblock', 'cone');
  await goes(ann, bob, 'through our relay over TCP', over('tcp'));
  await goes(bob, ann, 'to the relay of the other', ({ remote }) => ours(remote));
});

test('two homes without UDP meet through our relay over TCP on both sides', async (t) => {
  const [ann, bob] = await inCall(t, 'udpblock', 'udpblock');
  await goes(ann, bob, 'through our relay over TCP', over('tcp'));
  await goes(bob, ann, 'through our relay over TCP', over('tcp'));
});

test('a home that lets only TCP to port 443 pass is reached through our relay over TLS', async (t) => {
  const [ann, bob] = await inCall(t, 'tcp443', 'cone');
  await goes(ann, bob, 'through our relay over TLS', over('tls'));
  await goes(bob, ann, 'to the relay of the other', ({ remote }) => ours(remote));
});
