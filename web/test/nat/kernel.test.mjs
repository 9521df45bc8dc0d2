// Channels that the kernel relays, between a client behind a NAT and a peer, with coturn's own client: over cables on which packets
// have addresses of Ethernet and finished checksums, unlike on loopback.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { buildLab } from '../../../kit/lab/lib/natlab.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

const address = '203.0.113.10', peer = '203.0.113.50';
const config = `
[server]
listen = ["127.0.0.1:8080"]
[relay]
listen = ["${address}:3478"]
allow_peers = ["203.0.113.0/24"]
bpf_interfaces = ["eth0"]
[relay.users]
ann = "north"
`;
let lab, server, echo;
const inside = (host, ...command) => ['netns', 'exec', lab.host(host), ...command];
before(async () => {
  lab = buildLab(`kp${process.pid}`);
  // What comes in is looked at for more of its kind, which checks its checksum on the way, as network cards do.
  execFileSync('ip', inside('srv', 'ethtool', '-K', 'eth0', 'gro', 'on'));
  server = await startTrefoil({ config, netns: lab.host('srv'), http: null, relay: null });
  execFileSync('ip', inside('sw', 'ip', 'addr', 'add', `${peer}/24`, 'dev', 'br0'));
  execFileSync('ip', inside('sw', 'ethtool', '-K', 'br0', 'tx', 'off'));
  echo = spawn('ip', inside('sw', 'turnutils_peer', '-L', peer, '-p', '3480'), { stdio: 'ignore' });
});
after(async () => { echo?.kill(); await server?.stop(); lab?.down(); });

const script = 'fetch("http://127.0.0.1:8080/metrics").then((answer) => answer.text()).then((text) => console.log(text))';
const counters = async () => {
  const { stdout } = await promisify(execFile)('ip', inside('srv', process.execPath, '-e', script));
  return Object.fromEntries(['packets_from_clients', 'packets_to_clients', 'kernel_packets', 'unroutable']
    .map((name) => [name, Number(new RegExp(`trefoil_relay_${name}_total (\\d+)`).exec(stdout)[1])]));
};

test('nearly all packets of bound channels never reach a socket of the relay, and none is lost', async () => {
  const { stdout } = await promisify(execFile)('ip', inside('a1', 'turnutils_uclient', '-u', 'ann', '-w', 'north', '-e', peer, '-r', '3480', '-n', '50', '-m', '4', '-l', '200', '-c', address));
  assert.match(stdout, /tot_send_bytes ~ 40000, tot_recv_bytes ~ 40000/);
  assert.match(stdout, /Total lost packets 0 /);
  const found = await until('all of them counted', async (note) => {
    const found = await counters();
    note(found);
    return found.packets_to_clients === 200 && found;
  });
  assert.equal(found.packets_from_clients, 200);
  // Where the kernel does not allow it, the log says so, and all went through sockets.
  const least = server.output.includes('goes on without `bpf_interfaces`') ? 0 : 380;
  assert.ok(found.kernel_packets >= least, `${found.kernel_packets} of 400`);
});
