import { canonicalJson } from '@vaultplane/model/snapshots/canonical.ts';
import type { VaultConfig, VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { SchemaViolation } from '@vaultplane/model/vaults/schema-violation.ts';
import {
  openMember,
  openVault,
  type SealedMember,
  type SealedVault,
  sealedMembers,
  sealMember,
} from '@vaultplane/model/vaults/sealed-vault.ts';
import { isWithheld, literalCredentials, sensitiveFields } from '@vaultplane/model/vaults/sensitive.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';

export type StoredVault = SealedVault;

/** A vault whose credential can't be decrypted, and why. */
export interface WithheldVault {
  prefix: string;
  /** In words; nothing secret. */
  reason: string;
}

/**
 * Keeps credentials in a vault's config from ever standing in the database as they are; references to some may. A credential
 * that does not open is withheld (sensitive.ts), and what the database has in its place is never written over but by a
 * credential that is given again.
 */
export class VaultSealing {
  readonly #keyring: Keyring | undefined;
  /** What the database has, by the configuration in which something is withheld. */
  readonly #unopened = new WeakMap<VaultConfig, StoredVault>();
  #withholds = false;

  constructor(keyring: Keyring | undefined) {
    this.#keyring = keyring;
  }

  get hasKeyring(): boolean {
    return this.#keyring !== undefined;
  }

  /**
   * Whether the vault can be kept.
   *
   * @param current the vault that it replaces, where there is one
   * @throws SchemaViolation where there is no keyring and something sensitive is set, and where something is withheld
   */
  check(vault: VaultEntity, current?: VaultEntity): void {
    const withheld = sensitiveFields(vault.name).filter(({ name }) => isWithheld(vault.config[name]));
    if (withheld.length > 0) {
      const stored = this.#unopened.get(vault.config) ?? (current && this.#unopened.get(current.config));
      const why = Object.fromEntries(stored ? this.#faultsOf(stored) : []);
      const faults = withheld.map(({ name }) => [name, `must be given again: ${why[name] ?? "it can't be decrypted"}`]);
      throw new SchemaViolation({ config: Object.fromEntries(faults) });
    }
    if (this.#keyring) return;
    const set = literalCredentials(vault);
    if (set.length === 0) return;
    const reason = 'is kept encrypted only, and this control plane has no keyring_key_file';
    throw new SchemaViolation({ config: Object.fromEntries(set.map(({ name }) => [name, reason])) });
  }

  /** The vault as it is written: one in which something is withheld as it was read. @throws SchemaViolation as `check` */
  seal(vault: VaultEntity): StoredVault {
    const stored = this.#unopened.get(vault.config);
    if (stored) return { ...vault, config: stored.config };
    this.check(vault);
    const keyring = this.#keyring;
    const set = keyring ? literalCredentials(vault) : [];
    if (!keyring || set.length === 0) return vault;
    const config: StoredVault['config'] = { ...vault.config };
    for (const { name } of set) config[name] = sealMember(keyring, vault, name);
    return { ...vault, config };
  }

  /** The vault as it was given; WITHHELD stands for what does not open. */
  open(stored: StoredVault): VaultEntity {
    const sealed = sealedMembers(stored);
    if (sealed.length === 0) return stored as VaultEntity;
    const vault = openVault(stored, this.#keyring);
    if (sealed.some(([name]) => isWithheld(vault.config[name]))) {
      this.#unopened.set(vault.config, stored);
      this.#withholds = true;
    }
    return vault;
  }

  /** Whether of two vaults of the same content, both read from the database, the same is withheld. */
  isSame(a: VaultEntity, b: VaultEntity): boolean {
    const [one, other] = [this.#unopened.get(a.config), this.#unopened.get(b.config)];
    return !one || !other || canonicalJson(one.config) === canonicalJson(other.config);
  }

  /** Those of the vaults in which something is withheld. */
  withheld(vaults: Iterable<VaultEntity>): WithheldVault[] {
    // Looking through all costs something after each change, for what mostly has never been.
    if (!this.#withholds) return [];
    return [...vaults].flatMap(({ prefix, config }) => {
      const stored = this.#unopened.get(config);
      return stored ? { prefix, reason: this.faultOf(stored)! } : [];
    });
  }

  /** Why a vault does not open, in words, and of which where `names` asks for it; undefined where it does. */
  faultOf(stored: StoredVault, names?: 'names'): string | undefined {
    const [fault] = this.#faultsOf(stored);
    return fault && `config.${fault[0]}${names ? ` of the vault ${stored.prefix}` : ''} ${fault[1]}`;
  }

  #faultsOf(stored: StoredVault): Array<[name: string, fault: string]> {
    return sealedMembers(stored).flatMap(([name, member]): Array<[string, string]> => {
      return openMember(this.#keyring, stored, name, member) === undefined ? [[name, this.#why(member)]] : [];
    });
  }

  #why({ sealed, binds }: SealedMember): string {
    const key = String(sealed?.key).slice(0, 16);
    if (!this.#keyring?.has(key)) {
      return `is encrypted under key ${key}, which keyring_key_file does not hold${this.#keyring ? '' : ' (it is not set)'}`;
    }
    if (binds === undefined) return 'is bound to no destination, since a control plane of release 0.1.0 encrypted it';
    return 'was not encrypted for this vault and its destination: somebody has changed them in the database; look at the destination first';
  }
}
