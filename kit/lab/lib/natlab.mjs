//! natlab.sh for tests: a lab of its own name, taken down at the end.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Builds a lab; `nat('A', 'symmetric')` and the other commands of natlab.sh are its methods. */
export function buildLab(name) {
  const run = (...args) => execFileSync(path.resolve(import.meta.dirname, '../natlab.sh'), args, { env: { ...process.env, LAB: name }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  run('down');
  run('up');
  return {
    /** The namespace of a host: srv, a1, b1. */
    host: (host) => `${name}-${host}`,
    nat: (side, type) => run('nat', side, type),
    rebind: (side) => run('rebind', side),
    down: () => run('down'),
  };
}
