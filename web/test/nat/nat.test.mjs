// Calls between two homes, each behind a NAT, with our server on the internet between them (network namespaces).
import test, { after, before } from 'node:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { buildLab } from '../../../kit/lab/lib/natlab.mjs';
import { Person, allMeet } from '../../../kit/lab/lib/person.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { binary, startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

// Inside the lab every address and port is ours alone.
const site = 'http://203.0.113.10:8080';
const config = `
[server]
listen = ["203.0.113.10:8080"]
public_url = "${site}"
keys = [{ key = "lab", secret = "0123456789abcdef0123456789abcdef0123456789abcdef" }]
[relay]
listen = ["203.0.113.10:3478"]
`;
const folder = mkdtempSync(path.join(os.tmpdir(), 'trefoil-nat-')), file = path.join(folder, 'trefoil.toml');
let lab, server, red, blue;

before(async () => {
  writeFileSync(file, config);
  lab = buildLab(`tf${process.pid}`);
  server = await startTrefoil({ config, netns: lab.host('srv'), http: null, relay: null });
  const inLab = (host) => ({ netns: lab.host(host), secure: [site] });
  [red, blue] = await Promise.all([
    launchChromium({ colour: 'red', hz: 400, ...inLab('a1') }), launchChromium({ colour: 'blue', hz: 1200, ...inLab('b1') }),
  ]);
});
after(async () => {
  await Promise.all([red?.close(), blue?.close(), server?.stop()]);
  lab?.down();
  rmSync(folder, { recursive: true });
});

/** Ann behind one kind of NAT and Bob behind another join a room with tokens. */
async function call(t, natA, natB) {
  lab.nat('A', natA);
  lab.nat('B', natB);
  const ann = await Person.at(red, { name: 'Ann', colour: 'red', hz: 400 }), bob = await Person.at(blue, { name: 'Bob', colour: 'blue', hz: 1200 });
  t.after(() => Promise.all([ann.page.close(), bob.page.close()]));
  const room = `${natA}-${natB}`;
  for (const person of [ann, bob]) {
    const token = execFileSync(binary(), ['token', '--config', file, '--room', room, '--identity', person.name, '--name', person.name], { encoding: 'utf8' }).trim();
    await person.join(`${site}/r/${room}#token=${token}`);
  }
  return [ann, bob];
}

/** The path that the connection panel shows, and the kind of our candidate in it. */
async function pathOf(person) {
  await person.page.bringToFront();
  if (!await person.ev(() => document.querySelector('.details'))) await person.click('#bar-details');
  return until('a path', async () => {
    const route = await person.ev(() => document.querySelector('.details [data-route]')?.dataset.route);
    const kind = /\((\w+), (\w+)\)/.exec(await person.text('.details dd') ?? '');
    return kind && route !== 'none' && { route, kind: kind[1], protocol: kind[2] };
  });
}

const holds = (person, what, test) => until(`${person.name}'s path is ${what}`, async (note) => { const way = await pathOf(person); note(way); return test(way); });
const direct = ({ route, kind }) => route === 'direct' && /^(srflx|prflx)$/.test(kind);
const relayed = ({ route }) => route === 'relay';

test('behind two cone NATs the call is direct', async (t) => {
  const [ann, bob] = await call(t, 'cone', 'cone');
  await allMeet(ann, bob);
  await holds(ann, 'direct', direct);
  await holds(bob, 'direct', direct);
});

test('behind two symmetric NATs the call goes through our TURN server', async (t) => {
  const [ann, bob] = await call(t, 'symmetric', 'symmetric');
  await allMeet(ann, bob);
  await holds(ann, 'a relay', relayed);
  await holds(bob, 'a relay', relayed);
});

test('a cone and a symmetric NAT meet through our TURN server', async (t) => {
  const [ann, bob] = await call(t, 'cone', 'symmetric');
  await allMeet(ann, bob);
  await holds(ann, 'a relay', relayed);
});

test('a home that gets a new public address in the middle of a call is back by itself', async (t) => {
  const [ann, bob] = await call(t, 'cone', 'cone');
  await allMeet(ann, bob);
  lab.rebind('A');
  await until('the break is seen', () => bob.ev(() => document.querySelector('.tile:not(.me)').matches('.away')));
  await allMeet(ann, bob);
});
