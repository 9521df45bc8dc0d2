// The SDK's JSDoc types: they check, and what is emitted from them serves an application in TypeScript.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const run = (command, ...args) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return { status, output: stdout + stderr };
};
const tsc = path.join(root, 'kit/lab/node_modules/.bin/tsc');

test('the types check, and the emitted .d.ts files hold a right use and refuse a wrong one', (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'trefoil-types-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const emitted = run('web/sdk/types.sh', path.join(folder, 'sdk'));
  assert.equal(emitted.status, 0, emitted.output);
  assert.match(readFileSync(path.join(folder, 'sdk/trefoil.d.ts'), 'utf8'), /export \{ join \}/);
  const uses = (name, line) => {
    writeFileSync(path.join(folder, name), `import { join } from './sdk/trefoil.js';\nconst room = await join({ token: 'x' });\n${line}\nexport {};\n`);
    const compilerOptions = { noEmit: true, strict: true, target: 'es2022', module: 'es2022', moduleResolution: 'bundler', types: [] };
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [name] }));
    return run(tsc, '-p', folder);
  };
  const right = uses('right.ts', `room.on('track', ({ participant, track, stream }) => { const a: string = participant; const b: MediaStreamTrack = track; const c: MediaStream = stream; });
    const camera = await room.publishCamera(); camera.mute(); const name: string = room.me.name;`);
  assert.equal(right.status, 0, right.output);
  for (const [name, line] of Object.entries({ event: `room.on('trak', () => {});`, option: `await join({ tokn: 'x' });`, role: `room.setRole('p', 'king');` })) {
    assert.notEqual(uses(`wrong-${name}.ts`, line).status, 0, `not refused: ${line}`);
  }
});
