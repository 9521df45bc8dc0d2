// Chromium and Firefox call each other through our TURN server alone, over each transport; TLS is on the port of HTTPS.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { makeCertificate } from '../../../kit/lab/lib/certificate.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { launchFirefox } from '../../../kit/lab/lib/firefox.mjs';
import { callAsPair, goes, meet } from '../../../kit/lab/lib/pair.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'trefoil-turn-'));
const { authority, certificate, key } = makeCertificate(folder, 'localhost');
// The loopback of this test is its own, so 443 is free.
const config = `
[server]
public_url = "https://localhost"
keys = [{ key = "lab", secret = "0123456789abcdef0123456789abcdef0123456789abcdef" }]
[https]
listen = ["127.0.0.1:443"]
certificate = "${certificate}"
key = "${key}"
`;
let server, chromium, firefox;

before(async () => {
  [server, chromium, firefox] = await Promise.all([
    startTrefoil({ config }), launchChromium({ extra: ['--ignore-certificate-errors'] }), launchFirefox({ authority }),
  ]);
});
after(async () => {
  await Promise.all([chromium?.close(), firefox?.close(), server?.stop()]);
  rmSync(folder, { recursive: true });
});

for (const transport of ['udp', 'tcp', 'tls']) {
  test(`Chromium and Firefox meet through our relay over ${transport.toUpperCase()} and nothing else`, async (t) => {
    const pair = await callAsPair(t, server, `over-${transport}`, [
      { browser: chromium, name: 'Ann', colour: 'red', hz: 400 }, { browser: firefox, name: 'Fox', colour: 'blue', hz: 1200 },
    ], transport);
    await meet(pair);
    for (const [here, there] of [pair, pair.toReversed()]) {
      const { route, remote } = await goes(here, there, `through a relay over ${transport}`, ({ local }) => local.type === 'relay' && local.relayProtocol === transport);
      assert.equal(route, 'relay');
      assert.equal(remote.type, 'relay');
    }
  });
}
