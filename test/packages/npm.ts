import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnv } from '../e2e/deployment.ts';
import { missing, runCommand } from '../interop/command.ts';

/** A folder of the tests' own, which every later run finds. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

/** Why npm can't be run here; false where it can. */
export const missingNpm = missing('npm', '--version');

/** Runs npm in a folder, without messages that a test is not about. */
export function npm(folder: string, ...args: string[]) {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  return runCommand('npm', [...quiet, ...args], npmEnv(), folder);
}

/** Of npm and Node.js, what says how to reach the registry. */
const OF_THE_NETWORK = /^(NODE_EXTRA_CA_CERTS|npm_config_(registry|userconfig|cafile|proxy|https[-_]proxy|noproxy))$/i;

/** This process's environment without npm's own variables of whoever runs the tests. */
export function npmEnv(): NodeJS.ProcessEnv {
  const all = Object.entries(cleanEnv());
  return Object.fromEntries(all.filter(([name]) => OF_THE_NETWORK.test(name) || !/^(npm|NODE)_/i.test(name)));
}

/** The folder in which packages of the npm registry are installed, once on a machine; or why they are not. */
export async function fromRegistry(
  ...packages: string[]
): Promise<{ folder: string; missing?: undefined } | { folder?: undefined; missing: string }> {
  const folder = join(CACHE, `npm-${packages.join('+').replaceAll(/[^\w.+-]+/g, '_')}`);
  if (existsSync(folder)) return { folder };
  mkdirSync(CACHE, { recursive: true });
  // Beside its place and then renamed: an interrupted run leaves no half, and two at a time do not meet.
  const made = mkdtempSync(`${folder}.partial-`);
  try {
    const { status } = await npm(made, 'install', '--prefix', made, ...packages);
    if (status !== 0) return { missing: `npm could not install ${packages.join(' and ')} from the registry` };
    if (!existsSync(folder)) renameSync(made, folder);
    return { folder };
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}
