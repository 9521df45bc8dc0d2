//! Starts the built `trefoil`, waits for the link that it prints, and stops it.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

/** The binary that `cargo build` made, or the one that TREFOIL names. */
export function binary() {
  const found = process.env.TREFOIL ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'debug/trefoil');
  if (!existsSync(found)) throw new Error(`${found} is missing: run \`cargo build\`, or name the binary in TREFOIL`);
  return found;
}

/**
 * `config`: the text of a configuration file. `netns`: run in that network namespace, where media listens as the
 * configuration says. Ports are chosen by the kernel unless `http` and `relay` say otherwise.
 */
export async function startTrefoil({ config, netns, http = '127.0.0.1:0', relay = '127.0.0.1:0' } = {}) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'trefoil-'));
  const line = [binary(), 'serve'];
  if (http) line.push('--http', http);
  if (relay) line.push('--relay', relay);
  if (netns) line.unshift('ip', 'netns', 'exec', netns);
  if (!netns && !config?.includes('[media]')) config = `${config ?? ''}\n[media]\nlisten = ["127.0.0.1:0"]\n`;
  if (config) {
    await writeFile(path.join(folder, 'trefoil.toml'), config);
    line.push('--config', path.join(folder, 'trefoil.toml'));
  }
  const [command, ...args] = line, child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: root });
  let output = '';
  const ended = new Promise((done) => child.once('exit', done));
  const url = await new Promise((found, failed) => {
    const read = (text) => {
      output += text;
      const link = /https?:\/\/[\w.:[\]-]+\//.exec(output);
      if (link) found(link[0]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', (text) => { output += text; });
    child.once('exit', (code) => failed(new Error(`trefoil ended with ${code} before it printed a link:\n${output}`)));
    setTimeout(() => failed(new Error(`trefoil printed no link within 20 s:\n${output}`)), 20_000).unref();
  });
  return {
    url, get output() { return output; },
    /** A token for a room and a name, signed with the key of `config`. */
    token: (room, name) => execFileSync(binary(), ['token', '--config', path.join(folder, 'trefoil.toml'), '--room', room, '--identity', name, '--name', name], { encoding: 'utf8' }).trim(),
    stop: async () => {
      child.kill('SIGINT'); // SIGTERM would drain first
      const late = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(late);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
