// The examples of web/README.md, run as they stand, against somebody who answers.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { heard, openBare } from '../../../kit/lab/lib/bare.mjs';
import { launchChromium } from '../../../kit/lab/lib/chromium.mjs';
import { until } from '../../../kit/lab/lib/senses.mjs';
import { startTrefoil } from '../../../kit/lab/lib/trefoil.mjs';

for (const [topology, route] of [['p2p', 'direct'], ['sfu', 'server']]) test(`every example of the README does what it says in a room that is ${topology}`, async (t) => {
  const [server, browser] = await Promise.all([startTrefoil({ config: `[server.rooms]\ntopology = "${topology}"\n` }), launchChromium()]);
  t.after(() => Promise.all([browser.close(), server.stop()]));
  const bob = await browser.page(), ann = await browser.page(), printed = [];
  ann.on('console', (message) => printed.push(message.text()));
  await openBare(bob, server.url);
  await bob.evaluate(() => T.join({ room: 'readme', name: 'Bob' }));
  await bob.evaluate(() => { T.publish('blue', 1200); T.room.on('file', (file) => file.accept()); });
  await openBare(ann, server.url);

  const blocks = [...readFileSync(path.resolve(import.meta.dirname, '../../README.md'), 'utf8').matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);
  assert.equal(blocks.length, 9);
  const [joining, seeing, ...rest] = blocks.map((code) => code.replace(/^import (\{.*\}) from ('.*');/gm, 'const $1 = await import($2);'));
  const prelude = `window.shown = []; const show = (participant, source, stream) => window.shown.push([source, stream.getTracks().length]); const hide = () => {}; const loudspeaker = document.createElement('audio');`;
  // What the page says between the blocks: Bob is there and connected, and says something when Ann has begun to listen.
  const connected = 'while (room.connectionState(room.participants[0].id) !== "connected") await new Promise((next) => room.once("connection", next));';
  const script = [prelude, joining, seeing, connected, ...rest].join('\n');
  const running = ann.evaluate(`(async () => { ${script} })()`);
  assert.deepEqual((await heard(bob, 'message')).detail.data, { text: 'hello' });
  await running;

  assert.deepEqual(await ann.evaluate(() => window.shown.map(([source]) => source).sort()), ['camera', 'microphone']);
  assert.deepEqual((await bob.evaluate(() => T.data)).map(([, data]) => data).sort(), [[1, 2, 3], 'rather now than surely', 'to all']);
  await heard(bob, 'participantLeft');
  await until('what Ann printed', () => printed.includes('left') && printed.some((line) => line.includes('Bob was here before')) && printed.some((line) => line.startsWith(`${route} `)));
});
