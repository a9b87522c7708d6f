// Brings the project to the point where it runs, from any Node.js ≥ 18 with npm: the pinned pnpm, and through it the
// pinned Node.js and every dependency, from the lockfile and by the hashes in it. Plain JavaScript, since an old Node.js must be able to run it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPnpm } from './pnpm.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const stampFile = join(root, 'node_modules', '.vaultplane-setup');
const pinnedNode = join(root, 'node_modules', '.bin', 'node');

function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(1);
}

/** Changes whenever what is installed would change. */
function stamp() {
  const hash = createHash('sha256');
  hash.update(`${process.platform} ${process.arch} ${root}\n`);
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

if (Number(process.versions.node.split('.')[0]) < 18) {
  fail(`Node.js ${process.versions.node} is too old to set up with; any version from 18 on will do.`);
}
const wanted = stamp();
const done = existsSync(stampFile) && existsSync(pinnedNode) && readFileSync(stampFile, 'utf8') === wanted;
if (!done) {
  process.stderr.write('setup: installing the pinned Node.js and the dependencies (about half a minute, once)\n');
  const reporter = process.stderr.isTTY ? 'default' : 'append-only';
  let status;
  try {
    status = runPnpm(['install', '--frozen-lockfile', `--reporter=${reporter}`]);
  } catch (error) {
    fail(error.message);
  }
  if (status === 130) process.exit(130);
  if (status !== 0) fail('the installation failed; see above. Is the npm registry reachable? Then try again.');
  if (!existsSync(pinnedNode)) fail(`the pinned Node.js is not at ${pinnedNode}; remove node_modules and try again.`);
  writeFileSync(stampFile, wanted);
}
