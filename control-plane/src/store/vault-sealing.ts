import { StartError } from '@vaultplane/shared/errors.ts';
import type { ConfigValue, VaultConfig, VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { SchemaViolation } from '@vaultplane/shared/vaults/schema-violation.ts';
import { sensitiveFields } from '@vaultplane/shared/vaults/sensitive.ts';
import type { Keyring, Sealed } from './keyring.ts';

/** What the database has in the place of a sensitive member: no vault type has objects, so it can't be a value of one. */
interface SealedMember {
  sealed: Sealed;
}
export type StoredVault = Omit<VaultEntity, 'config'> & { config: Record<string, ConfigValue | SealedMember> };

/** Keeps what is sensitive in a vault's config from ever standing in the database as it is. */
export class VaultSealing {
  readonly #keyring: Keyring | undefined;

  constructor(keyring: Keyring | undefined) {
    this.#keyring = keyring;
  }

  /** The vault as it is written. @throws SchemaViolation where there is no keyring and something sensitive is set */
  seal(vault: VaultEntity): StoredVault {
    const set = sensitiveFields(vault.name).filter(({ name }) => vault.config[name] !== undefined);
    if (set.length === 0) return vault;
    const config: StoredVault['config'] = { ...vault.config };
    const errors: Record<string, string> = {};
    for (const { name } of set) {
      if (this.#keyring) {
        config[name] = { sealed: this.#keyring.seal(JSON.stringify(vault.config[name]), contextOf(vault, name)) };
      } else errors[name] = 'is kept encrypted only, and this control plane has no keyring_key_file';
    }
    if (Object.keys(errors).length > 0) throw new SchemaViolation({ config: errors });
    return { ...vault, config };
  }

  /** The vault as it was given. @throws StartError where the keyring has not the key */
  open(stored: StoredVault): VaultEntity {
    const sealed = Object.entries(stored.config).filter((member): member is [string, SealedMember] =>
      isSealed(member[1]),
    );
    if (sealed.length === 0) return stored as VaultEntity;
    const config = { ...stored.config } as VaultConfig;
    for (const [name, member] of sealed) {
      const text = this.#keyring?.open(member.sealed, contextOf(stored, name));
      if (text === undefined) {
        throw new StartError(
          `config.${name} of the vault ${stored.prefix} is encrypted under key ${member.sealed.key}, which keyring_key_file does not hold${this.#keyring ? '' : ' (it is not set)'}`,
        );
      }
      config[name] = JSON.parse(text);
    }
    return { ...stored, config };
  }
}

function isSealed(value: unknown): value is SealedMember {
  return typeof value === 'object' && value !== null && 'sealed' in value;
}

function contextOf({ id }: { id: string }, member: string): string {
  return `vault ${id} config.${member}`;
}
