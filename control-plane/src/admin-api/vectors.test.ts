import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { vectors } from '@vaultplane/testkit/vectors.ts';
import { describeOnBothDatabases } from '../store/testing/stores.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

interface AdminVectors {
  cases: Array<{
    name: string;
    method: string;
    path: string;
    json?: unknown;
    form?: Record<string, string> | Array<[string, string]>;
    raw?: string;
    headers?: Record<string, string>;
    status: number;
    want?: Record<string, unknown>;
  }>;
}

interface DeckVectors {
  state: { lists: string[]; answered_404_and_tolerated: string[] };
  bodies: Record<'create' | 'update' | 'create_tagged', { id: string; config: object; [member: string]: unknown }>;
}

/** Each member given must be equal, whole; a string between slashes is a regular expression. */
function assertHas(actual: unknown, wanted: unknown, path: string): void {
  const pattern = typeof wanted === 'string' ? /^\/(.*)\/$/s.exec(wanted)?.[1] : undefined;
  if (pattern !== undefined) assert.match(String(actual), new RegExp(pattern), path);
  else if (typeof wanted === 'object' && wanted !== null && !Array.isArray(wanted) && hasPattern(wanted)) {
    assert.deepEqual(Object.keys(actual as object).sort(), Object.keys(wanted).sort(), path);
    for (const [name, value] of Object.entries(wanted)) {
      assertHas((actual as Record<string, unknown>)[name], value, `${path}.${name}`);
    }
  } else assert.deepEqual(actual, wanted, path);
}

function hasPattern(value: object): boolean {
  return /"\/.*\/"/.test(JSON.stringify(value));
}

describeOnBothDatabases('the Admin API', (open) => {
  let cp: TestControlPlane;
  before(async () => {
    cp = await startTestControlPlane({ database: await open() });
  });
  after(() => cp?.stop());

  for (const { name, method, path, json, form, raw, headers, status, want = {} } of vectors<AdminVectors>('admin')
    .cases) {
    it(`vector: ${name}`, async () => {
      const body = form ? new URLSearchParams(form) : (raw ?? json);
      const answer = await cp.call(method, path, body, headers);
      assert.equal(answer.status, status, answer.text);
      if (status === 204) assert.equal(answer.text, '');
      for (const [member, value] of Object.entries(want)) assertHas(answer.json[member], value, member);
    });
  }
});

describeOnBothDatabases('decK', (open) => {
  const deck = vectors<DeckVectors>('deck');
  const { create, update, create_tagged: tagged } = deck.bodies;
  const token = 'the-token-that-decK-is-given';
  let cp: TestControlPlane;
  before(async () => {
    cp = await startTestControlPlane({ database: await open(), env: { VAULTPLANE_ADMIN_TOKEN: token } });
  });
  after(() => cp?.stop());

  const ask = (method: string, path: string, body?: unknown) =>
    cp.call(method, path, body === undefined ? undefined : JSON.stringify(body), {
      'content-type': 'application/json',
      'user-agent': 'decK/1.64.0',
      'kong-admin-token': token,
    });
  /** What every command but ping reads. */
  const state = async (tags = '') => {
    const lists = await Promise.all(deck.state.lists.map((list) => ask('GET', `/${list}?size=1000${tags}`)));
    for (const [index, answer] of lists.entries()) {
      assert.equal(answer.status, 200, deck.state.lists[index]!);
      assert.ok(Array.isArray(answer.json.data));
      assert.equal(answer.json.next, null);
    }
    return lists[deck.state.lists.indexOf('vaults')]!.json.data as Array<{
      id: string;
      config: object;
      created_at: number;
      [member: string]: unknown;
    }>;
  };

  it('vector: every command begins with GET /, and reads a Kong version and a database there', async () => {
    const { status, json } = await ask('GET', '/');
    assert.equal(status, 200);
    assert.equal(json.version, '3.10.0');
    assert.notEqual(json.configuration.database, 'off');
    assert.equal(typeof json.vaultplane.version, 'string');
  });

  it('vector: lists that it tolerates to be missing are 404', async () => {
    for (const path of deck.state.answered_404_and_tolerated) assert.equal((await ask('GET', path)).status, 404, path);
  });

  it('vector: gateway validate', async () => {
    const answer = await ask('POST', '/schemas/vaults/validate', create);
    assert.deepEqual([answer.status, answer.json], [200, { message: 'schema validation successful' }]);
    const refused = await ask('POST', '/schemas/vaults/validate', { ...create, config: { ttl: -1 } });
    assert.deepEqual([refused.status, refused.json.code], [400, 2]);
  });

  it('vector: gateway sync makes a vault by an id of its own, and gives back the config that was sent', async () => {
    const answer = await ask('PUT', `/vaults/${create.id}`, create);
    assert.equal(answer.status, 200);
    assert.equal(answer.json.id, create.id);
    const [vault] = await state();
    assert.deepEqual(vault!.config, create.config);
  });

  it('vector: gateway sync of a changed vault, with its created_at', async () => {
    const answer = await ask('PUT', `/vaults/${update.id}`, update);
    assert.equal(answer.status, 200);
    const [vault] = await state();
    assert.deepEqual(vault!.config, update.config);
    assert.equal(vault!.created_at, update.created_at);
  });

  it('vector: gateway diff after a sync is empty: all that decK compares is as it was sent', async () => {
    for (const sent of [update, tagged]) {
      assert.equal((await ask('PUT', `/vaults/${sent.id}`, sent)).status, 200);
      const { version } = (await ask('GET', '/')).json.vaultplane.config;
      const vault = (await state()).find(({ id }) => id === sent.id)!;
      const compared = ({ id, name, prefix, description, config, tags }: Record<string, unknown>) => ({
        ...{ id, name, prefix, description, config },
        tags: tags ?? null,
      });
      assert.deepEqual(compared(vault), compared(sent));
      // What was read is sent back as it is, and changes nothing.
      assert.deepEqual((await ask('PUT', `/vaults/${sent.id}`, vault)).json, vault);
      assert.equal((await ask('GET', '/')).json.vaultplane.config.version, version);
    }
  });

  it('vector: PUT by an id renames, but not to a prefix that another vault has (409, code 5)', async () => {
    assert.equal((await ask('PUT', `/vaults/${tagged.id}`, tagged)).status, 200);
    assert.equal((await ask('PUT', `/vaults/${tagged.id}`, { ...tagged, prefix: 'renamed' })).json.prefix, 'renamed');
    const taken = await ask('PUT', `/vaults/${tagged.id}`, { ...tagged, prefix: update.prefix });
    assert.deepEqual([taken.status, taken.json.code], [409, 5]);
  });

  it('vector: --select-tag', async () => {
    assert.deepEqual(
      (await state('&tags=team-a')).map(({ id }) => id),
      [tagged.id],
    );
    assert.deepEqual(await state('&tags=team-a,team-b'), []);
  });

  it('vector: dump --skip-defaults reads the defaults from the schema', async () => {
    const { json } = await ask('GET', '/schemas/vaults/aws');
    const { config } = json.fields.find((field: object) => 'config' in field);
    const ttl = config.fields.find((field: object) => 'ttl' in field).ttl;
    assert.equal(config.type, 'record');
    assert.deepEqual([ttl.type, ttl.default], ['number', 0]);
  });

  it('vector: gateway reset deletes each', async () => {
    for (const { id } of await state()) assert.equal((await ask('DELETE', `/vaults/${id}`)).status, 204);
    assert.deepEqual(await state(), []);
  });
});
