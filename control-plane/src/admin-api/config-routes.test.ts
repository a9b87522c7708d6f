import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

const YAML = { 'content-type': 'application/yaml' };
const DOCUMENT = `
_format_version: "3.0"
vaults:
  - prefix: aws-sm-vault
    name: aws
    description: Storing secrets in AWS Secrets Manager
    config:
      region: us-east-1
  - prefix: my-env
    name: env
`;

describe('/config', () => {
  let database: Database;
  let cp: TestControlPlane;
  const version = async () => (await cp.call('GET', '/status')).json.vaultplane.config.version;
  const prefixes = async () =>
    (await cp.call('GET', '/vaults')).json.data.map(({ prefix }: { prefix: string }) => prefix).sort();
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('takes a whole configuration as one change, in any of its forms, and comes to rest', async () => {
    const made = await cp.call('POST', '/config', DOCUMENT, YAML);
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.config_version, 1);
    assert.equal(Object.keys(made.json.vaults).length, 2);
    assert.deepEqual(await prefixes(), ['aws-sm-vault', 'my-env']);

    const form = new FormData();
    form.append('config', new Blob([DOCUMENT]), 'kong.yml');
    const again = [
      await cp.call('POST', '/config', parse(DOCUMENT)),
      await cp.call('POST', '/config', { config: DOCUMENT }),
      await cp.call('POST', '/config', new URLSearchParams({ config: DOCUMENT })),
      await cp.call('POST', '/config', form),
      await cp.call('POST', '/config', (await cp.call('GET', '/config')).json),
      await cp.call(
        'POST',
        '/config',
        (await cp.call('GET', '/config', undefined, { accept: 'application/yaml' })).text,
        YAML,
      ),
    ];
    assert.deepEqual(
      again.map(({ status, json }) => [status, json.config_version, json.changed]),
      again.map(() => [201, 1, false]),
    );
    assert.equal(await version(), 1);
  });

  it('changes nothing when anything in it is wrong, and lists all that is', async () => {
    const wrong = DOCUMENT.replace('us-east-1', 'Nowhere!').replace('name: env', 'name: nope');
    const { status, json } = await cp.call('POST', '/config', wrong, YAML);
    assert.equal(status, 400);
    assert.equal(json.code, 14);
    assert.match(
      json.message,
      /vaults\.1: .*config\.region: invalid value.*vaults\.2: .*vault 'nope' is not installed/,
    );
    assert.equal(await version(), 1);
    for (const body of ['{', 'a: [', '- x', '&a [*a, *a]']) {
      assert.equal((await cp.call('POST', '/config', body, YAML)).status, 400, body);
    }
    assert.equal((await cp.call('POST', '/config')).status, 400);
  });

  it('deletes what is left out, and is gone back to at any version', async () => {
    const { json: before } = await cp.call('GET', '/vaults/my-env');
    await cp.call('POST', '/config', '_format_version: "1.1"\nvaults: []', YAML);
    assert.deepEqual(await prefixes(), []);
    assert.equal(await version(), 2);

    const { json: list } = await cp.call('GET', '/config/versions?size=1');
    assert.deepEqual([list.data[0].version, list.data[0].actor], [2, 'local']);
    assert.equal((await cp.call('GET', list.next)).json.data[0].version, 1);
    const { json: first } = await cp.call('GET', '/config/versions/1');
    assert.deepEqual(
      first.config.vaults.map(({ prefix }: { prefix: string }) => prefix),
      ['aws-sm-vault', 'my-env'],
    );

    const { json: back } = await cp.call('POST', '/config/versions/1/rollback');
    assert.deepEqual(back, { rolled_back_to: 1, config_version: 3, changed: true });
    const { json: after } = await cp.call('GET', '/vaults/my-env');
    assert.deepEqual({ ...after, updated_at: 0 }, { ...before, updated_at: 0 });
    assert.equal((await cp.call('POST', '/config/versions/3/rollback')).json.changed, false);
    for (const none of ['4', '99', 'x', '-1', '1.5']) {
      assert.equal((await cp.call('GET', `/config/versions/${none}`)).status, 404);
      assert.equal((await cp.call('POST', `/config/versions/${none}/rollback`)).status, 404);
    }
  });
});
