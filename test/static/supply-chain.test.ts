import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

it('everything that is installed is in the lockfile with its hash, Node.js too, and no install script runs', () => {
  const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: object };
  const { packages } = parse(read('pnpm-lock.yaml')) as { packages: Record<string, { resolution: object }> };
  for (const [name, version] of Object.entries(optionalDependencies)) {
    assert.match(name, /^node-(bin-)?(linux|darwin)-(x64|arm64)$/);
    assert.ok(packages[`${name}@${version}`], `${name}@${version}`);
  }
  const without = Object.entries(packages).filter(
    ([, { resolution }]) => !('integrity' in resolution && /^sha512-/.test(String(resolution.integrity))),
  );
  assert.deepEqual(without, []);
  assert.deepEqual((parse(read('pnpm-workspace.yaml')) as Record<string, unknown>).onlyBuiltDependencies, []);
});

it('a pnpm with another hash than the pinned one is not run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-pnpm-'));
  try {
    mkdirSync(join(folder, 'deploy/local'), { recursive: true });
    cpSync(join(ROOT, 'deploy/local/pnpm.mjs'), join(folder, 'deploy/local/pnpm.mjs'));
    const manifest = JSON.parse(read('package.json')) as { packageManager: string };
    const run = (packageManager: string) => {
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ packageManager }));
      return spawnSync(process.execPath, ['deploy/local/pnpm.mjs', '--version'], { cwd: folder, encoding: 'utf8' });
    };
    const pinned = run(manifest.packageManager);
    assert.equal(pinned.status, 0, pinned.stderr);
    const another = run(manifest.packageManager.replace(/[0-9a-f]{128}$/, '0'.repeat(128)));
    assert.equal(another.status, 1);
    assert.match(another.stderr, /is not the pinned one/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
