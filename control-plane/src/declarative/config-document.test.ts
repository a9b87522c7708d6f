import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { parse, stringify } from 'yaml';
import { documentOf, InvalidDocument, printYaml, readDocument, scopedDocument } from './config-document.ts';

const VAULT: VaultEntity = {
  id: '11111111-1111-4111-8111-111111111111',
  prefix: 'aws-sm-vault',
  name: 'aws',
  description: 'with: "quotes" # and more\nin two lines',
  config: { region: 'us-east-1', ttl: 0.5 },
  tags: ['yes', '1.0', 'null'],
  created_at: 1,
  updated_at: 2,
};
const BARE: VaultEntity = {
  ...VAULT,
  id: VAULT.id.replaceAll('1', '2'),
  prefix: 'a-bare-one',
  description: null,
  config: {},
  tags: null,
};

const ALL_OF_NOTHING = { vaults: [], selectTags: [], unused: [] };

async function refusal(document: unknown): Promise<InvalidDocument> {
  try {
    await readDocument(document);
  } catch (error) {
    if (error instanceof InvalidDocument) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

describe('a declarative configuration', () => {
  it('is read back from its YAML and its JSON as it was written', async () => {
    const document = await documentOf([VAULT, BARE]);
    assert.deepEqual(
      document.vaults.map(({ prefix }) => prefix),
      ['a-bare-one', 'aws-sm-vault'],
    );
    assert.deepEqual(Object.keys(document.vaults[0]!), ['id', 'prefix', 'name']);
    for (const read of [parse(await printYaml(document)), JSON.parse(JSON.stringify(document))]) {
      const [bare, full] = (await readDocument(read)).vaults;
      const { created_at: _, updated_at: __, ...rest } = VAULT;
      assert.deepEqual(full, rest);
      assert.deepEqual(bare?.config, {});
    }
  });

  it('is printed a vault at a time as it would be at once', async () => {
    for (const vaults of [[VAULT, BARE], [BARE], []]) {
      const document = await documentOf(vaults);
      assert.equal(await printYaml(document), stringify(document, { lineWidth: 0 }));
    }
  });

  it('may be of format 3.0, 2.1 or 1.1, a number too, as YAML makes of it without quotes', async () => {
    for (const format of ['3.0', '2.1', '1.1', 3.0, 2.1, 1.1]) {
      assert.deepEqual(await readDocument({ _format_version: format, _transform: true }), ALL_OF_NOTHING);
    }
  });

  it('may be of format 3.0 or 1.1, a number too, as YAML makes of it without quotes', async () => {
    for (const format of ['3.0', '1.1', 3.0, 1.1]) {
      assert.deepEqual(await readDocument({ _format_version: format, _transform: true }), ALL_OF_NOTHING);
    }
  });

  it('names its scope by tags, which are put on its vaults behind their own', async () => {
    const vault = { name: 'env', prefix: 'my-env', tags: ['b', 'own'] };
    const document = { _format_version: '3.0', _info: { select_tags: ['a', 'b', 'a'] }, vaults: [vault] };
    const { vaults, selectTags } = await readDocument(document);
    assert.deepEqual(selectTags, ['a', 'b']);
    assert.deepEqual(vaults[0]!.tags, ['b', 'own', 'a']);
    for (const none of [null, {}, { select_tags: null }, { select_tags: [] }]) {
      assert.deepEqual((await readDocument({ ...document, _info: none })).selectTags, []);
      assert.deepEqual((await readDocument({ ...document, _info: none })).vaults[0]!.tags, ['b', 'own']);
    }
    const dumped = scopedDocument(await documentOf([{ ...VAULT, tags: ['b', 'x', 'a'] }, BARE]), ['a', 'b']);
    assert.deepEqual(dumped._info, { select_tags: ['a', 'b'] });
    assert.deepEqual(
      dumped.vaults.map(({ prefix, tags }) => [prefix, tags]),
      [[VAULT.prefix, ['x']]],
    );
  });

  it('may say what means nothing here, and that is told', async () => {
    const { unused } = await readDocument({
      _format_version: '3.0',
      _workspace: 'default',
      _comment: 'x',
      _ignore: [{ services: 1 }],
      _plugin_configs: { shared: {} },
      _konnect: { control_plane_name: 'default' },
      _info: { defaults: { service: { port: 1 } }, default_lookup_tags: { services: ['a'] } },
    });
    assert.deepEqual(unused, ['_konnect', '_plugin_configs', '_info.defaults', '_info.default_lookup_tags']);
  });

  it('is refused where it is about something else than this configuration, or may be', async () => {
    const refused = async (about: object) => (await refusal({ _format_version: '3.0', ...about })).lines;
    assert.deepEqual(await refused({ _workspace: 'team-a' }), [
      '_workspace: there is no workspace team-a: the only one is default',
    ]);
    assert.deepEqual(await refused({ _workspace: 7 }), ['_workspace: expected a string']);
    assert.deepEqual(await refused({ _info: { select_tag: ['a'] } }), ['_info.select_tag: unknown field']);
    // Taken for nothing, it would delete every vault.
    for (const empty of [null, []]) assert.deepEqual(await refused({ vauls: empty }), ['vauls: unknown field']);
    assert.deepEqual(await refused({ _info: { select_tags: 'a' } }), ['_info.select_tags: expected a set']);
    assert.match(
      (await refused({ _info: { select_tags: ['a', 'b,c'] } }))[0]!,
      /^_info\.select_tags\.2: invalid tag 'b,c'/,
    );
    assert.match(
      (await refused({ _info: { defaults: { vault: {} } } }))[0]!,
      /^_info\.defaults\.vault: .*not supported/,
    );
    for (const about of [
      { _info: [] },
      { _plugin_configs: 'x' },
      { _info: { defaults: 1 } },
      { _later: { scope: 1 } },
      { _info: { select_tags: ['a', 'b', 'c', 'd', 'e', 'f'] } },
    ]) {
      assert.equal((await refused(about)).length, 1);
    }
  });

  it('may name other entities, as long as there are none', async () => {
    assert.deepEqual(await readDocument({ _format_version: '3.0', services: [], routes: null }), ALL_OF_NOTHING);
    const { message } = await refusal({ _format_version: '3.0', services: [{}] });
    assert.match(message, /^services: unknown field$/);
  });

  it('is refused with everything that is wrong in it', async () => {
    const vault = { name: 'aws', prefix: 'a-b' };
    const { lines, fields } = await refusal({
      _format_version: '2.0',
      plugins: [1],
      vaults: [vault, { ...vault, prefix: 'c-d', config: { ttl: -1 } }, vault, 7],
    });
    assert.deepEqual(lines, [
      '_format_version: expected one of: 3.0, 2.1, 1.1',
      'plugins: unknown field',
      'vaults.2: schema violation (config.ttl: value should be between 0 and 100000000)',
      'vaults.3: schema violation (prefix: vault 1 has the same)',
      'vaults.4: schema violation (@entity: expected a record)',
    ]);
    assert.equal((fields.vaults as unknown[])[0], null);
    assert.match((await refusal({})).message, /^_format_version: required field missing$/);
    for (const none of [null, [], 'x', 7]) await refusal(none);
  });
});
