import { StartError } from '@vaultplane/shared/errors.ts';
import type { Keyring } from '@vaultplane/shared/keyring.ts';
import type { VaultConfig, VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { SchemaViolation } from '@vaultplane/shared/vaults/schema-violation.ts';
import { openMember, type SealedVault, sealedMembers, sealMember } from '@vaultplane/shared/vaults/sealed-vault.ts';
import { literalCredentials } from '@vaultplane/shared/vaults/sensitive.ts';

export type StoredVault = SealedVault;

/** Keeps credentials in a vault's config from ever standing in the database as they are; references to some may. */
export class VaultSealing {
  readonly #keyring: Keyring | undefined;

  constructor(keyring: Keyring | undefined) {
    this.#keyring = keyring;
  }

  /** The vault as it is written. @throws SchemaViolation where there is no keyring and something sensitive is set */
  seal(vault: VaultEntity): StoredVault {
    const set = literalCredentials(vault);
    if (set.length === 0) return vault;
    const config: StoredVault['config'] = { ...vault.config };
    const errors: Record<string, string> = {};
    for (const { name } of set) {
      if (this.#keyring) config[name] = sealMember(this.#keyring, vault, name);
      else errors[name] = 'is kept encrypted only, and this control plane has no keyring_key_file';
    }
    if (Object.keys(errors).length > 0) throw new SchemaViolation({ config: errors });
    return { ...vault, config };
  }

  /** The vault as it was given. @throws StartError where the keyring has not the key */
  open(stored: StoredVault): VaultEntity {
    const sealed = sealedMembers(stored);
    if (sealed.length === 0) return stored as VaultEntity;
    const config = { ...stored.config } as VaultConfig;
    for (const [name, member] of sealed) {
      const value = openMember(this.#keyring, stored, name, member);
      if (value === undefined) {
        throw new StartError(
          `config.${name} of the vault ${stored.prefix} is encrypted under key ${member.sealed.key}, which keyring_key_file does not hold${this.#keyring ? '' : ' (it is not set)'}`,
        );
      }
      config[name] = value;
    }
    return { ...stored, config };
  }
}
