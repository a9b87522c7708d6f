import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { setReadOnly, smallDisk } from '@vaultplane/testkit/small-disk.ts';
import { encodeSnapshotFile } from './config-sync/snapshot-file.ts';
import { type DataPlane, startDataPlane } from './data-plane.ts';
import { loadDataPlaneSettings } from './settings.ts';
import { recordedLog } from './testing/recorded-log.ts';
import { filesWith, temporaryFolder } from './testing/temporary-folder.ts';
import { snapshotOf } from './testing/vault-entities.ts';

const CANARY = 'canary-value-d15c-0815';
const REFERENCE = '{vault://aws/db/password}';

describe('a data plane and its disk', { skip: noCertificates }, () => {
  const folder = temporaryFolder();
  let emulator: Emulator;
  let base: NodeJS.ProcessEnv;

  before(async () => {
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'db', { password: CANARY });
    const { certFile, keyFile } = makeCertificate(folder, 'cluster');
    const key = join(folder, 'secrets.key');
    writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
    base = {
      ...emulator.environment,
      VAULTPLANE_CLUSTER_CERT: certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: keyFile,
      VAULTPLANE_CLUSTER_CONTROL_PLANE: '127.0.0.1:9',
      VAULTPLANE_API_LISTEN: '127.0.0.1:0',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
      VAULTPLANE_API_TOKEN_FILE: join(folder, 'api-token'),
      VAULTPLANE_SECRETS_PERSIST: 'on',
      VAULTPLANE_SECRETS_KEY_FILE: key,
    };
  });
  after(() => emulator.stop());

  async function start(dataDir: string, env: NodeJS.ProcessEnv = {}) {
    const recorded = recordedLog();
    const own = { ...base, VAULTPLANE_DATA_DIR: dataDir, ...env };
    const dataPlane = await startDataPlane(await loadDataPlaneSettings({ env: own }), { log: recorded.log, env: own });
    return { dataPlane, ...recorded };
  }

  async function resolve({ apiUrl, apiTokenFile }: DataPlane): Promise<string> {
    const headers = { authorization: `Bearer ${readFileSync(apiTokenFile, 'utf8').trim()}` };
    const answer = await fetch(`${apiUrl}/v1/resolve?ref=${encodeURIComponent(REFERENCE)}`, { headers });
    const { value, error } = (await answer.json()) as { value?: string; error?: { code: string } };
    return value ?? error!.code;
  }

  it('writes no value in the clear to any file or log, with a key and without', async () => {
    for (const env of [
      {},
      { VAULTPLANE_SECRETS_PERSIST: 'off' },
      { VAULTPLANE_SECRETS_KEY_FILE: '', VAULTPLANE_SECRETS_PERSIST: '' },
    ]) {
      const dataDir = mkdtempSync(join(folder, 'data-'));
      const { dataPlane, text } = await start(dataDir, env);
      assert.equal(await resolve(dataPlane), CANARY);
      const status = JSON.stringify(dataPlane.facts());
      await dataPlane.stop();
      assert.deepEqual(filesWith(dataDir, [CANARY, Buffer.from(CANARY).toString('base64').slice(0, 24)]), []);
      assert.ok(!text().includes(CANARY) && !status.includes(CANARY));
      const persisted = Object.keys(env).length === 0;
      assert.equal(readdirSync(dataDir).includes('secrets.cache'), persisted);
    }
  });

  it('starts and serves with every file of its own damaged, says so, and loses none of them', async () => {
    const dataDir = mkdtempSync(join(folder, 'data-'));
    const first = await start(dataDir);
    assert.equal(await resolve(first.dataPlane), CANARY);
    await first.dataPlane.stop();
    writeFileSync(
      join(dataDir, 'config.snapshot'),
      encodeSnapshotFile({ snapshot: snapshotOf(1, ['a']), defaults: {}, savedAt: 1 }),
    );
    const files = ['config.snapshot', 'secrets.cache', 'references'];
    for (const file of files) {
      const bytes = readFileSync(join(dataDir, file));
      bytes[bytes.length - 5]! ^= 0x10;
      writeFileSync(join(dataDir, file), bytes);
    }
    const { dataPlane } = await start(dataDir);
    const { config, secrets_on_disk, prefetch } = dataPlane.facts();
    for (const problem of [config.disk_problem, secrets_on_disk.problem, prefetch.disk_problem]) {
      assert.match(problem ?? '', /set aside as/);
    }
    assert.equal(await resolve(dataPlane), CANARY);
    const metrics = await (await fetch(`${dataPlane.statusUrl}/metrics`)).text();
    for (const file of files) assert.match(metrics, new RegExp(`^vaultplane_disk_problem\\{file="${file}"\\} 1$`, 'm'));
    await dataPlane.stop();
    for (const file of files) {
      assert.ok(
        readdirSync(dataDir).some((name) => name.startsWith(`${file}.damaged-`)),
        file,
      );
    }
    const third = await start(dataDir);
    assert.equal(third.dataPlane.facts().secrets_on_disk.problem, null);
    assert.equal(third.dataPlane.facts().secrets_on_disk.restored, 1);
    await third.dataPlane.stop();
  });

  it('starts and serves on a full disk, and on one that is read-only', async (t) => {
    const dataDir = smallDisk(t, 64 * 1024);
    if (!dataDir) return;
    const filler = join(dataDir, 'filler');
    writeFileSync(filler, Buffer.alloc(64 * 1024));
    const full = await start(dataDir);
    assert.equal(await resolve(full.dataPlane), CANARY);
    await full.dataPlane.stop();
    assert.match(full.dataPlane.facts().secrets_on_disk.problem ?? '', /^not written: ENOSPC/);
    const said = full.lines().filter(({ level }) => level === 'error');
    assert.deepEqual(
      new Set(said.map(({ path }) => String(path).split('/').at(-1))),
      new Set(['node-id', 'references', 'secrets.cache']),
    );

    rmSync(filler);
    const roomy = await start(dataDir);
    assert.equal(await resolve(roomy.dataPlane), CANARY);
    await roomy.dataPlane.stop();

    setReadOnly(dataDir, true);
    await emulator.stop();
    const readOnly = await start(dataDir);
    assert.equal(readOnly.dataPlane.facts().secrets_on_disk.restored, 1);
    assert.equal(await resolve(readOnly.dataPlane), CANARY, 'AWS is down, and the disk can be read');
    await readOnly.dataPlane.stop();
    await emulator.start();
    setReadOnly(dataDir, false);
  });

  it('refuses to start where values are to be kept and there is no key, or none that is one', async () => {
    const dataDir = mkdtempSync(join(folder, 'data-'));
    const says = (message: RegExp) => ({ name: 'StartError', message });
    await assert.rejects(
      start(dataDir, { VAULTPLANE_SECRETS_KEY_FILE: '' }),
      says(/^secrets_persist = on needs secrets_key_file/),
    );
    await assert.rejects(
      start(dataDir, { VAULTPLANE_SECRETS_KEY_FILE: join(folder, 'none') }),
      says(/can't be read: ENOENT/),
    );
    await assert.rejects(
      start(dataDir, { VAULTPLANE_SECRETS_KEY_FILE: base.VAULTPLANE_CLUSTER_CERT }),
      says(/must hold a key of 32 bytes/),
    );
    assert.deepEqual(readdirSync(dataDir), []);
  });
});
