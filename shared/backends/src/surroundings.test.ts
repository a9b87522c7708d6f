import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { surroundingsOf } from './surroundings.ts';

describe('what says of which secrets names are, outside of the vaults', () => {
  it('is AWS region and the like, and of Google the project of the credentials, not who has them', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-surroundings-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const env = { HOME: folder, AWS_REGION: 'us-east-1' };
    const plain = await surroundingsOf(env);
    assert.notEqual(await surroundingsOf({ ...env, AWS_REGION: 'eu-west-1' }), plain);
    const key = (project: string, email: string) =>
      JSON.stringify({ project_id: project, client_email: email, private_key: 'c4n4ry' });
    const withKey = (project: string, email = 'a@b') =>
      surroundingsOf({ ...env, GCP_SERVICE_ACCOUNT: key(project, email) });
    const one = await withKey('one');
    assert.ok(one.startsWith(`${plain}\n`), 'what a data plane without Google has kept is good for it still');
    assert.equal(await withKey('one', 'another@b'), one);
    assert.notEqual(await withKey('two'), one);
    assert.ok(!one.includes('c4n4ry'));
    const path = join(folder, 'key.json');
    const withFile = () => surroundingsOf({ ...env, GOOGLE_APPLICATION_CREDENTIALS: path });
    const missing = await withFile();
    writeFileSync(path, key('one', 'a@b'));
    const written = await withFile();
    assert.notEqual(written, missing);
    writeFileSync(path, key('two', 'a@b'));
    assert.notEqual(await withFile(), written);
  });
});
