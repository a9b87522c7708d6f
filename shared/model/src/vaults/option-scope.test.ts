import '@vaultplane/testkit/toy-vault.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseReference } from '../references/reference.ts';
import { addressOf, identityOf } from './address.ts';
import type { VaultConfig } from './entity.ts';
import { isScopingOption, scopingOptions } from './option-scope.ts';
import { type ConfigField, withDefaults } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

describe('options that make another secret of the same name', () => {
  for (const type of VAULT_TYPES.values()) {
    for (const option of type.referenceOptions) {
      it(`${type.name}'s ${option} is ${isScopingOption(option) ? '' : 'not '}one of them`, () => {
        const field = type.fields.find(({ name }) => name === option);
        // What is a field and no lifetime must be part of a secret's identity, or two secrets would share one value.
        if (field && isScopingOption(option)) assert.equal(field.identity, true);
        const config = withDefaults(type, required(type.fields));
        const text = `{vault://${type.name}/a?${option}=${encodeURIComponent(sample(option, field))}}`;
        const { config: changed } = addressOf(type, config, parseReference(text));
        assert.equal(identityOf(type, changed) !== identityOf(type, config), isScopingOption(option), text);
      });
    }
  }

  it('are those of every type', () => {
    assert.deepEqual(scopingOptions().sort(), ['prefix', 'project_id', 'realm', 'region']);
  });
});

function required(fields: readonly ConfigField[]): VaultConfig {
  return Object.fromEntries(fields.filter((field) => field.required).map(({ name }) => [name, '/x']));
}

/** Something that the option may be; a new option needs one here. */
function sample(option: string, field: ConfigField | undefined): string {
  const samples: Record<string, string> = {
    region: 'eu-west-1',
    project_id: 'finance-prod',
    prefix: 'OTHER_',
    realm: 'attic',
    json_pointer: '/a',
    version_stage: 'AWSPREVIOUS',
    version_id: '1',
    base64_decode: 'true',
  };
  const text = samples[option] ?? (field?.type === 'number' ? '1' : undefined);
  assert.ok(text !== undefined, `the option ${option} has no sample in this test`);
  return text;
}
