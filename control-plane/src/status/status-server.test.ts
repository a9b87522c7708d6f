import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

describe('status', () => {
  let database: Database;
  let cp: TestControlPlane;
  const get = async (path: string, method = 'GET') => {
    const answer = await fetch(cp.statusUrl + path, { method });
    return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') };
  };
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('is live, ready, and tells facts', async () => {
    assert.equal((await get('/status/live')).status, 200);
    assert.equal((await get('/status/ready')).status, 200);
    await cp.call('PUT', '/vaults/one', { name: 'env' });
    const facts = JSON.parse((await get('/status')).text);
    assert.equal(facts.state, 'up');
    assert.equal(facts.config.version, 1);
    assert.equal(facts.vaults, 1);
    assert.deepEqual(facts.data_planes, { connected: 0 });
    assert.deepEqual(facts.database, { kind: 'embedded', error: null });
    assert.ok(new Date(facts.cluster_certificate.expires_at) > new Date());
  });

  it('gives metrics, every name of which begins with vaultplane_', async () => {
    const { text, type } = await get('/metrics');
    assert.match(type ?? '', /^text\/plain/);
    const names = text.split('\n').flatMap((line) => (/^[a-z]/.test(line) ? [line.split(/[ {]/)[0]!] : []));
    assert.deepEqual(
      names.filter((name) => !name.startsWith('vaultplane_')),
      [],
    );
    for (const line of [
      'vaultplane_config_version 1',
      'vaultplane_config_vaults 1',
      'vaultplane_data_planes_connected 0',
      'vaultplane_database_up 1',
      'vaultplane_admin_requests_total{method="PUT",route="/vaults/:key",status="200"} 1',
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
  });

  it('knows no other path and no other method', async () => {
    assert.equal((await get('/other')).status, 404);
    assert.equal((await get('/status', 'POST')).status, 405);
  });
});
