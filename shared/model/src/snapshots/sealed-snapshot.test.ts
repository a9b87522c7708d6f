import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { destinationFields } from '../vaults/destination.ts';
import type { ConfigValue, VaultConfig, VaultEntity } from '../vaults/entity.ts';
import { isWithheld } from '../vaults/sensitive.ts';
import type { ConfigField, VaultType } from '../vaults/vault-type.ts';
import { VAULT_TYPES } from '../vaults/vault-types.ts';
import { filledFrom, openSnapshot, prefixesWithheld, sealSnapshot } from './sealed-snapshot.ts';
import { makeSnapshot, type Snapshot } from './snapshot.ts';

const TIMELINE = '00000000-0000-4000-8000-000000000000';
const keyring = new Keyring([randomBytes(32)]);

const vaultOf = (name: string, config: VaultConfig, id = '11111111-1111-4111-8111-111111111111'): VaultEntity => ({
  ...{ id, prefix: 'a-vault', name, description: null, config, tags: null },
  ...{ created_at: 1, updated_at: 1 },
});
const snapshotOf = (...vaults: VaultEntity[]): Snapshot => makeSnapshot(TIMELINE, 1, vaults);
/** As it is kept, with something in it changed by somebody who has not the key. */
const tampered = (vault: VaultEntity, change: (stored: VaultEntity) => VaultEntity): VaultEntity => {
  const { vaults, ...position } = sealSnapshot(snapshotOf(vault), keyring);
  return openSnapshot({ ...position, partial: true, vaults: vaults.map(change) }, keyring).vaults[0]!;
};
const other = ({ type, oneOf, default: usual }: ConfigField): ConfigValue =>
  oneOf?.find((each) => each !== usual) ?? (type === 'number' ? 4711 : 'https://another.example');

const withCredentials = [...VAULT_TYPES.values()].filter(({ fields }) => fields.some(({ sensitive }) => sensitive));

describe('a credential that is kept sealed', () => {
  const credentialsOf = ({ fields }: VaultType) => fields.filter(({ sensitive }) => sensitive);
  for (const type of withCredentials) {
    const config = Object.fromEntries(credentialsOf(type).map(({ name }) => [name, `credential of ${name}`]));
    const vault = vaultOf(type.name, config);
    const lost = ({ config: opened }: VaultEntity) =>
      credentialsOf(type).filter(({ name }) => isWithheld(opened[name]));

    it(`of type ${type.name} opens as it was, also where what decides not who receives it is another`, () => {
      const sealed = sealSnapshot(snapshotOf(vault), keyring);
      assert.ok(!JSON.stringify(sealed).includes('credential of'));
      assert.deepEqual(openSnapshot(sealed, keyring).vaults, [vault]);
      for (const { name, sensitive, destination } of type.fields) {
        if (sensitive || destination) continue;
        const opened = tampered(vault, (stored) => ({ ...stored, config: { ...stored.config, [name]: 1 } }));
        assert.deepEqual(lost(opened), [], name);
      }
    });

    it(`of type ${type.name} opens for no other destination, vault, type or member`, () => {
      const all = credentialsOf(type).length;
      for (const field of destinationFields(type)) {
        const changed = tampered(vault, (stored) => ({
          ...stored,
          config: { ...stored.config, [field.name]: other(field) },
        }));
        assert.equal(lost(changed).length, all, field.name);
        const moved = vaultOf(type.name, { ...config, [field.name]: other(field) });
        const without = tampered(moved, (stored) => {
          const { [field.name]: _, ...rest } = stored.config;
          return { ...stored, config: rest };
        });
        assert.equal(lost(without).length, all, field.name);
      }
      assert.equal(lost(tampered(vault, (stored) => ({ ...stored, id: stored.id.replace('1', '2') }))).length, all);
      const [first, second] = credentialsOf(type);
      if (first && second) {
        const swapped = tampered(vault, (stored) => {
          const { [first.name]: one, [second.name]: two } = stored.config;
          return { ...stored, config: { ...stored.config, [first.name]: two!, [second.name]: one! } };
        });
        assert.equal(lost(swapped).length, 2);
      }
    });
  }

  it('is taken from what is in use for the same destination alone', () => {
    const inUse = snapshotOf(vaultOf('hcv', { host: 'vault.internal', token: 'a-token' }));
    const exported = (config: VaultConfig): Snapshot => {
      // Without a key credentials are left out of what is kept.
      return openSnapshot(
        sealSnapshot(snapshotOf(vaultOf('hcv', { ...config, token: 'newer' })), undefined),
        undefined,
      );
    };
    const same = filledFrom(exported({ host: 'vault.internal', port: 8200, ttl: 60 }), inUse);
    assert.equal(same.vaults[0]!.config.token, 'a-token');
    for (const config of [{ host: 'evil.example' }, { host: 'vault.internal', namespace: 'x' }] as VaultConfig[]) {
      const moved = filledFrom(exported(config), inUse);
      assert.deepEqual(prefixesWithheld(moved), ['a-vault']);
    }
  });
});
