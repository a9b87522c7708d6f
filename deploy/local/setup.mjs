// Brings the project to the point where it runs, from any Node.js ≥ 18 with npm: pnpm by npx, and through it the pinned
// Node.js and every dependency, from the lockfile. Plain JavaScript, since an old Node.js must be able to run it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  process.stderr.write('setup: installing the pinned Node.js and the dependencies (about half a minute, once)\n');
  const reporter = process.stderr.isTTY ? 'default' : 'append-only';
  const result = spawnSync('npx', ['--yes', packageManager, 'install', '--frozen-lockfile', `--reporter=${reporter}`], {
    cwd: root,
    // What pnpm says is progress, not output: a program's own output must be all that is on stdout.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, npm_config_confirm_modules_purge: 'false' },
  });
  if (result.signal) process.exit(130);
  if (result.error) fail(`npx could not be started (${result.error.message}); is npm installed?`);
  if (result.status !== 0) fail('the installation failed; see above. Is the npm registry reachable? Then try again.');
  if (!existsSync(pinnedNode)) fail(`the pinned Node.js is not at ${pinnedNode}; remove node_modules and try again.`);
  writeFileSync(stampFile, wanted);
}
