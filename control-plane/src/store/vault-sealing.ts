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

  /** Whether the vault can be kept. @throws SchemaViolation where there is no keyring and something sensitive is set */
  check(vault: VaultEntity): void {
    if (this.#keyring) return;
    const set = literalCredentials(vault);
    if (set.length === 0) return;
    const reason = 'is kept encrypted only, and this control plane has no keyring_key_file';
    throw new SchemaViolation({ config: Object.fromEntries(set.map(({ name }) => [name, reason])) });
  }

  /** The vault as it is written. @throws SchemaViolation as `check` */
  seal(vault: VaultEntity): StoredVault {
    this.check(vault);
    const keyring = this.#keyring;
    const set = keyring ? literalCredentials(vault) : [];
    if (!keyring || set.length === 0) return vault;
    const config: StoredVault['config'] = { ...vault.config };
    for (const { name } of set) config[name] = sealMember(keyring, vault, name);
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
