//! Peers that are no browsers: programs of other WebRTC stacks, which tell on their standard output what they see and hear.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { isColour, until } from './senses.mjs';

const lab = path.resolve(import.meta.dirname, '..');
/** How each is started; the address and a token follow. */
const programs = {
  aiortc: [`${lab}/.venv/bin/python`, '-B', `${lab}/peers/aiortc_peer.py`],
  // What it needs is Debian's, so the interpreter must be.
  gstreamer: ['/usr/bin/python3', '-B', `${lab}/peers/gstreamer_peer.py`],
  pion: [`${lab}/pion/pion`],
};

/** Starts a peer in a network namespace; `id` is its participant's. Anything that it calls wrong is an error of the test. */
export async function startPeer(program, { netns, url, token, colour, hz, more = [] }) {
  const child = spawn('ip', ['netns', 'exec', netns, ...programs[program], url, token, ...more], { stdio: ['pipe', 'pipe', 'pipe'] });
  const peer = { program, colour, hz, told: {}, wrong: [], get said() { return said; } };
  let rest = '', said = '';
  child.stderr.on('data', (text) => { said = (said + text).slice(-4000); });
  child.stdout.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const { wrong, ...told } = JSON.parse(line);
      if (wrong) peer.wrong.push(wrong);
      Object.assign(peer.told, told);
    }
  });
  const ended = new Promise((done) => child.once('exit', done));
  ended.then((code) => { peer.ended = `${program} ended with ${code}: ${said}`; });
  child.stdin.on('error', () => {}); // it has ended; whoever waits for it is told
  peer.say = (type, fields) => child.stdin.write(`${JSON.stringify({ kind: type, ...fields })}\n`);
  peer.stop = async () => {
    child.stdin.end();
    const late = setTimeout(() => child.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(late);
  };
  await peerUntil(peer, 'it joins', () => peer.told.joined);
  peer.id = peer.told.joined;
  return peer;
}

/** Waits for something that a peer tells. */
export const peerUntil = (peer, what, test) => until(`${peer.program}: ${what}`, (note) => {
  if (peer.ended) throw new Error(peer.ended);
  note({ ...peer.told, wrong: peer.wrong });
  return test();
});

/** Asserts that the peer sees the other's colour moving, and hears their tone, from now on. */
export async function peerMeets(peer, other) {
  const seen = () => peer.told.sees?.[other.id] ?? { frames: 0, moved: 0, colour: [0, 0, 0] };
  const before = seen();
  await peerUntil(peer, `sees ${other.colour}`, () => seen().frames > before.frames + 5 && seen().moved > before.moved + 2 && isColour(seen().colour, other.colour));
  await peerUntil(peer, `hears ${other.hz} Hz`, () => Math.abs((peer.told.hears?.[other.id] ?? 0) - other.hz) < 15);
}
