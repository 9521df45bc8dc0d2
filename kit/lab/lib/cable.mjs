//! Two hosts and one cable between them, whose rate and loss a test can change: network namespaces `srv` and `far`.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });

/** Lays the cable; `set({ down: { rate: 1000 } })` changes it: kbit/s, ms, %, as in cable.c. */
export function layCable(name) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'trefoil-cable-')), file = path.join(folder, 'ways');
  const [srv, far] = [`${name}-srv`, `${name}-far`];
  const ways = { up: { delay: 20, jitter: 0, loss: 0, rate: 0, queue: 300 }, down: { delay: 20, jitter: 0, loss: 0, rate: 0, queue: 300 } };
  const set = (change) => {
    for (const way of ['up', 'down']) Object.assign(ways[way], change[way]);
    writeFileSync(file, Object.entries(ways).map(([way, values]) => `${way} ${Object.entries(values).map(([key, value]) => `${key}=${value}`).join(' ')}\n`).join(''));
  };
  set({});
  for (const space of [srv, far]) {
    ip('netns', 'add', space);
    ip('-n', space, 'link', 'set', 'lo', 'up');
    // An address that comes later is a change of network to a browser, and what it was loading fails.
    ip('netns', 'exec', space, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1');
  }
  // `up` is from the far host to the server.
  const cable = spawn(path.resolve(import.meta.dirname, '../cable'), [far, 'eth0', srv, 'eth0', file], { stdio: 'inherit' });
  const lay = () => {
    for (const [space, address] of [[srv, '10.77.0.1/24'], [far, '10.77.0.2/24']]) {
      ip('-n', space, 'addr', 'add', address, 'dev', 'eth0');
      ip('-n', space, 'link', 'set', 'eth0', 'up');
      ip('-n', space, 'route', 'add', 'default', 'dev', 'eth0');
    }
  };
  return {
    srv, far, address: '10.77.0.1', set,
    /** Waits until both ends are there. */
    ready: async () => {
      for (let left = 100; left; left--) {
        try { ip('-n', srv, 'link', 'show', 'eth0'); ip('-n', far, 'link', 'show', 'eth0'); break; } catch { await new Promise((done) => setTimeout(done, 20)); }
      }
      lay();
    },
    cut: () => {
      cable.kill();
      for (const space of [srv, far]) try { ip('netns', 'del', space); } catch { /* gone already */ }
      rmSync(folder, { recursive: true });
    },
  };
}
