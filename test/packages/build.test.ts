import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { startBuild } from './build.ts';

describe('npm run build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-build-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('names what there is for a name that it does not know, and makes nothing', async () => {
    const run = await startBuild('nmp', '--out', join(folder, 'unknown')).done;
    assert.equal(run.code, 2);
    assert.match(run.stderr, /^build: there is no "nmp" to build; choose from npm\b.*\n$/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('leaves what was there, and nothing half-written, when it is stopped', async () => {
    const out = join(folder, 'stopped');
    mkdirSync(out);
    writeFileSync(join(out, 'vaultplane-0.0.9.tgz'), 'of an earlier build');
    const build = startBuild('npm', '--out', out);
    await build.printed('control plane');
    build.interrupt();
    const run = await build.done;
    assert.equal(run.code, 130);
    assert.match(run.stderr, /^build: stopped/);
    assert.deepEqual(readdirSync(folder), ['stopped']);
    assert.deepEqual(readdirSync(out), ['vaultplane-0.0.9.tgz']);
    assert.equal(readFileSync(join(out, 'vaultplane-0.0.9.tgz'), 'utf8'), 'of an earlier build');
  });
});
