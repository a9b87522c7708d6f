import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { parse } from 'yaml';
import { documentOf, InvalidDocument, printYaml, readDocument } from './config-document.ts';

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

function refusal(document: unknown): InvalidDocument {
  try {
    readDocument(document);
  } catch (error) {
    if (error instanceof InvalidDocument) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

describe('a declarative configuration', () => {
  it('is read back from its YAML and its JSON as it was written', () => {
    const document = documentOf([VAULT, BARE]);
    assert.deepEqual(
      document.vaults.map(({ prefix }) => prefix),
      ['a-bare-one', 'aws-sm-vault'],
    );
    assert.deepEqual(Object.keys(document.vaults[0]!), ['id', 'prefix', 'name']);
    for (const read of [parse(printYaml(document)), JSON.parse(JSON.stringify(document))]) {
      const [bare, full] = readDocument(read);
      const { created_at: _, updated_at: __, ...rest } = VAULT;
      assert.deepEqual(full, rest);
      assert.deepEqual(bare?.config, {});
    }
  });

  it('may be of format 3.0 or 1.1, a number too, as YAML makes of it without quotes, and about itself', () => {
    for (const format of ['3.0', '1.1', 3.0, 1.1]) {
      assert.deepEqual(readDocument({ _format_version: format, _info: { select_tags: ['a'] }, _transform: true }), []);
    }
  });

  it('may name other entities, as long as there are none', () => {
    assert.deepEqual(readDocument({ _format_version: '3.0', services: [], routes: null }), []);
    assert.match(refusal({ _format_version: '3.0', services: [{}] }).message, /^services: unknown field$/);
  });

  it('is refused with everything that is wrong in it', () => {
    const vault = { name: 'aws', prefix: 'a-b' };
    const { lines, fields } = refusal({
      _format_version: '2.0',
      plugins: [1],
      vaults: [vault, { ...vault, prefix: 'c-d', config: { ttl: -1 } }, vault, 7],
    });
    assert.deepEqual(lines, [
      '_format_version: expected one of: 3.0, 1.1',
      'plugins: unknown field',
      'vaults.2: schema violation (config.ttl: value should be between 0 and 100000000)',
      'vaults.3: schema violation (prefix: vault 1 has the same)',
      'vaults.4: schema violation (@entity: expected a record)',
    ]);
    assert.equal((fields.vaults as unknown[])[0], null);
    assert.match(refusal({}).message, /^_format_version: required field missing$/);
    for (const none of [null, [], 'x', 7]) refusal(none);
  });
});
