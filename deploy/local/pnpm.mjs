// Runs the pinned pnpm: `node deploy/local/pnpm.mjs ARGUMENT…`. It comes from the npm registry, and is run only if its
// tarball has the SHA-512 that packageManager in package.json states: npx by itself checks what the registry says of it.
// Plain JavaScript without dependencies, since any Node.js ≥ 18 must be able to run it before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Runs the pinned pnpm to its end. What it says goes to stderr: a program's own output must be all that is on stdout.
 *
 * @param {string[]} args
 * @returns {number} the exit status, 128 + n where signal n ended it
 * @throws {Error} that says what failed, where pnpm could not be had or is not the pinned one
 */
export function runPnpm(args) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, name, sha512] = /^(pnpm@[\d.]+)\+sha512\.([0-9a-f]{128})$/.exec(packageManager) ?? [];
  if (name === undefined) throw new Error('packageManager in package.json is not pnpm@VERSION+sha512.HASH');
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-setup-'));
  try {
    run('npm', ['pack', name, '--silent', '--pack-destination', folder], folder);
    const tarball = join(folder, readdirSync(folder)[0] ?? '');
    const found = createHash('sha512').update(readFileSync(tarball)).digest('hex');
    if (found !== sha512) {
      throw new Error(`the ${name} that the registry gave is not the pinned one: its SHA-512 is ${found}`);
    }
    return run('npx', ['--yes', '--package', tarball, 'pnpm', ...args], root, true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(command, args, cwd, mayFail = false) {
  const env = { ...process.env, npm_config_confirm_modules_purge: 'false' };
  const result = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2], env });
  if (result.error) throw new Error(`${command} could not be started (${result.error.message}); is npm installed?`);
  if (result.signal) return 130;
  if (result.status !== 0 && !mayFail) {
    throw new Error(`${command} ${args[0]} failed; see above. Is the npm registry reachable? Then try again.`);
  }
  return result.status;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.exitCode = runPnpm(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`setup: ${error.message}\n`);
    process.exitCode = 1;
  }
}
