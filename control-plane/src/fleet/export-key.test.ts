import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import type { Actor } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { describeOnBothDatabases, storeOn } from '../store/testing/stores.ts';
import { ensureExportKey, readExportKeyFile, replaceExportKey } from './export-key.ts';

const ACTOR: Actor = { name: 'an operator', role: 'admin', remoteAddress: null };

describeOnBothDatabases('the export key', (open) => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-export-key-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const keyringFile = (...keys: string[]) => {
    const file = join(folder, `keyring-${randomBytes(4).toString('hex')}`);
    writeFileSync(file, keys.join('\n'));
    return file;
  };
  const newKey = () => randomBytes(32).toString('hex');

  async function begin() {
    const database = await open();
    await storeOn(database);
    const dataDir = mkdtempSync(join(folder, 'd-'));
    const settings = {
      config_export_key_file: undefined as string | undefined,
      keyring_key_file: undefined as string | undefined,
      database: database.kind,
      data_dir: dataDir,
    };
    return { database, dataDir, settings };
  }
  const fingerprintOf = async (...given: Parameters<typeof ensureExportKey>) =>
    (await ensureExportKey(...given)).key?.publicKey.fingerprint;
  const row = async (database: Database) => JSON.stringify(await database.query('select sealed from export_key'));

  it('is made once and the same for all on one database, sealed by the keyring', async () => {
    const { database, dataDir, settings } = await begin();
    settings.keyring_key_file = keyringFile(newKey());
    const keys = await Promise.all(Array.from({ length: 4 }, () => ensureExportKey(settings, database)));
    const [first] = keys;
    assert.ok(first?.key && first.kept === 'database');
    for (const { key } of keys) assert.equal(key?.publicKey.fingerprint, first.key.publicKey.fingerprint);
    const stored = await row(database);
    for (const line of first.key.pem.split('\n').filter((text) => text !== '')) assert.ok(!stored.includes(line));
    assert.deepEqual(readdirSync(dataDir), []);
  });

  it('without a keyring is in data_dir for an embedded control plane, and there is none on Postgres, with the reason', async () => {
    const { database, dataDir, settings } = await begin();
    const own = await ensureExportKey(settings, database);
    assert.equal(await row(database), '[]', 'never unsealed in the database');
    if (settings.database === 'postgres') {
      assert.equal(own.key, undefined);
      assert.match('problem' in own ? own.problem : '', /set keyring_key_file .* or config_export_key_file/);
      return;
    }
    assert.deepEqual(readdirSync(dataDir), ['export.key']);
    assert.equal(statSync(join(dataDir, 'export.key')).mode & 0o777, 0o600);
    assert.equal(await fingerprintOf(settings, database), own.key?.publicKey.fingerprint);
    // It goes on being the key once there is a keyring, in the database only.
    settings.keyring_key_file = keyringFile(newKey());
    assert.equal(await fingerprintOf(settings, database), own.key?.publicKey.fingerprint);
    assert.ok(!existsSync(join(dataDir, 'export.key')));
    assert.equal(await fingerprintOf(settings, database), own.key?.publicKey.fingerprint);
  });

  it('is sealed anew under the first key of a keyring that has got another', async () => {
    const { database, settings } = await begin();
    const [old, next] = [newKey(), newKey()];
    settings.keyring_key_file = keyringFile(old);
    const before = await fingerprintOf(settings, database);
    settings.keyring_key_file = keyringFile(next, old);
    assert.equal(await fingerprintOf(settings, database), before);
    settings.keyring_key_file = keyringFile(next);
    assert.equal(await fingerprintOf(settings, database), before);
  });

  it('that can not be opened, or that a database writer has put there, is none and stops no start', async () => {
    const { database, settings } = await begin();
    settings.keyring_key_file = keyringFile(newKey());
    await ensureExportKey(settings, database);
    const right = settings.keyring_key_file;
    const problem = async () => {
      const own = await ensureExportKey(settings, database);
      assert.equal(own.key, undefined);
      return 'problem' in own ? own.problem : '';
    };
    settings.keyring_key_file = keyringFile(newKey());
    assert.match(await problem(), /keyring_key_file does not open the export key .*export-key --replace/);
    settings.keyring_key_file = undefined;
    assert.match(await problem(), /is encrypted, and keyring_key_file is not set/);
    settings.keyring_key_file = right;
    for (const forged of ['null', '{}', '{"key":1,"data":[]}', JSON.stringify({ key: 'canary\n', data: 'AAAA' })]) {
      await database.query('update export_key set sealed = $1::jsonb', [forged]);
      assert.doesNotMatch(await problem(), /canary/);
    }
    // The operator's way on.
    const made = await replaceExportKey(settings, database, ACTOR, Date.now());
    assert.equal(await fingerprintOf(settings, database), made.publicKey.fingerprint);
    const [audited] = await database.query<{ actor: string; path: string }>(
      "select actor, path from audit_requests where path = 'export-key --replace'",
    );
    assert.equal(audited?.actor, ACTOR.name);
  });

  it('of config_export_key_file is that and no other, and what is wrong with it is said without what it holds', async () => {
    const { database, dataDir, settings } = await begin();
    const key = ExportKey.generate();
    const file = join(dataDir, 'given.pem');
    writeFileSync(file, key.pem);
    settings.config_export_key_file = file;
    settings.keyring_key_file = keyringFile(newKey());
    assert.equal(await fingerprintOf(settings, database), key.publicKey.fingerprint);
    assert.equal(await row(database), '[]');
    await assert.rejects(replaceExportKey(settings, database, ACTOR, 0), /replace that file/);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    for (const [content, reason] of [
      ['canary', /it holds no private key/],
      [rsa.export({ type: 'pkcs8', format: 'pem' }) as string, /must be an Ed25519 or P-384 key/],
    ] as const) {
      writeFileSync(file, content);
      assert.throws(
        () => readExportKeyFile(file),
        (error: Error) => {
          assert.match(error.message, /^config_export_key_file can't be used: /);
          assert.match(error.message, reason);
          return !error.message.includes(content.split('\n').at(1) ?? content);
        },
      );
    }
    // Kong's other forms of such a setting: the key itself in place of its path.
    for (const text of [key.pem, Buffer.from(key.pem).toString('base64')]) {
      assert.equal(readExportKeyFile(text).publicKey.fingerprint, key.publicKey.fingerprint);
    }
  });
});
