import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import { openExport } from '@vaultplane/model/snapshots/snapshot-export.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';
import { EXPORT_LATEST_MS, EXPORT_QUIET_MS, type ExportState } from './config-export.ts';

describe('the export of the configuration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-export-'));
  const path = join(folder, 'made-later', 'config');
  const clock = new FakeClock(Date.now());
  let database: Database;
  let cp: TestControlPlane;
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({
      database,
      clock,
      env: { VAULTPLANE_CONFIG_EXPORT_URL: `file://${path}`, VAULTPLANE_VAULT_AWS_REGION: 'eu-west-1' },
    });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const exported = () => {
    const keys = [ExportKey.parse(readFileSync(join(cp.dataDir, 'export.key'), 'utf8')).publicKey];
    return openExport(readFileSync(path), { by: 'key', keys }, clock.now());
  };
  const status = async () =>
    ((await (await fetch(`${cp.statusUrl}/status`)).json()) as { config_export: ExportState }).config_export;
  const change = (description: string) => cp.call('PUT', '/vaults/changing', { name: 'env', description });
  /** Waits for what the real disk does. */
  const until = async (holds: () => Promise<boolean>) => {
    while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
  };

  it('that fails is shown, and tried again until it is there', async () => {
    assert.deepEqual(await status(), { place: `file://${path}`, version: null, exported_at: null, error: null });
    await clock.advance(EXPORT_QUIET_MS);
    await until(async () => (await status()).error !== null);
    assert.equal((await status()).error, `file://${path}: ENOENT`);
    mkdirSync(join(folder, 'made-later'));
    await until(async () => {
      await clock.advance(1000);
      return (await status()).version === 0;
    });
    assert.equal((await status()).error, null);
    assert.deepEqual(exported().defaults, { vault_aws_region: 'eu-west-1' });
  });

  it('follows each version, not before things have been quiet for a moment', async () => {
    await change('one');
    await clock.advance(EXPORT_QUIET_MS - 1);
    await change('two');
    await clock.advance(EXPORT_QUIET_MS - 1);
    assert.equal(exported().snapshot.version, 0);
    await clock.advance(1);
    await until(async () => (await status()).version === 2);
    const { snapshot } = exported();
    assert.deepEqual([snapshot.version, snapshot.vaults[0]?.description], [2, 'two']);
  });

  it('does not wait for ever for a quiet moment', async () => {
    const rounds = Math.ceil(EXPORT_LATEST_MS / (EXPORT_QUIET_MS / 2)) + 1;
    for (let round = 0; round < rounds; round++) {
      await change(`busy ${round}`);
      await clock.advance(EXPORT_QUIET_MS / 2);
    }
    await until(async () => ((await status()).version ?? 0) > 2);
    assert.ok(exported().snapshot.version < 2 + rounds);
  });

  it('keeps cluster_fallback_config_export_delay between two exports', async () => {
    await cp.stop();
    const delayed = { VAULTPLANE_CONFIG_EXPORT_URL: `file://${path}`, KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY: '60' };
    cp = await startTestControlPlane({ database, clock, env: delayed });
    await clock.advance(EXPORT_QUIET_MS);
    await until(async () => (await status()).version !== null);
    const { version } = await status();
    await change('during the delay');
    await clock.advance(60_000 - EXPORT_QUIET_MS);
    assert.deepEqual([(await status()).version, exported().snapshot.version], [version, version]);
    await clock.advance(EXPORT_QUIET_MS);
    await until(async () => (await status()).version === version! + 1);
  });

  it('is made anew when a control plane starts, also with nothing new', async () => {
    rmSync(path);
    await cp.stop();
    assert.ok(!existsSync(path));
    cp = await startTestControlPlane({ database, clock, env: { VAULTPLANE_CONFIG_EXPORT_URL: `file://${path}` } });
    await clock.advance(EXPORT_QUIET_MS);
    await until(async () => (await status()).version !== null);
    assert.ok(exported().snapshot.version > 2);
  });

  it('to a place that is none is refused at the start, without repeating what may be secret in it', async () => {
    const env = { VAULTPLANE_CONFIG_EXPORT_URL: 'http://me:canary@host/x' };
    await assert.rejects(startTestControlPlane({ database, env }), (error: Error) => {
      assert.match(error.message, /^config_export_url \(not shown\) .*s3:\/\/BUCKET\/KEY/);
      return !error.message.includes('canary');
    });
  });
});
