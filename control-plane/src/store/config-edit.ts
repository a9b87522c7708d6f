import { randomUUID } from 'node:crypto';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { LongWork } from '@vaultplane/platform/time/next-turn.ts';
import { KnownVaults, type VaultKey } from './known-vaults.ts';
import { changesOf, hasSameContent, type VaultChange } from './vault-change.ts';
import type { VaultSealing } from './vault-sealing.ts';
import type { VaultsInTransaction } from './vaults-in-transaction.ts';

/** Another vault has this id or prefix already. */
export class VaultConflict extends Error {
  override readonly name = 'VaultConflict';
  readonly field: 'id' | 'prefix';
  readonly value: string;

  constructor(field: 'id' | 'prefix', value: string) {
    super(`another vault has the ${field} ${value}`);
    this.field = field;
    this.value = value;
  }
}

/**
 * A change in the making: what it does is seen by itself alone until it is accepted, so that one which fails has done
 * nothing.
 */
export class ConfigEdit {
  /** Seconds since 1970, whole: the updated_at of all that is put. */
  readonly nowSeconds: number;
  readonly #vaults: VaultsInTransaction;
  readonly #sealing: VaultSealing;
  /** What this change has made of vaults. */
  readonly #made = new KnownVaults();
  readonly #before = new Map<string, VaultEntity | null>();

  constructor(vaults: VaultsInTransaction, nowSeconds: number, sealing: VaultSealing) {
    this.#vaults = vaults;
    this.nowSeconds = nowSeconds;
    this.#sealing = sealing;
  }

  async find(key: VaultKey): Promise<VaultEntity | undefined> {
    const made = this.#made.find(key);
    return made === undefined ? this.#vaults.find(key) : (made ?? undefined);
  }

  /** In order of id. */
  async all(): Promise<VaultEntity[]> {
    const all = new Map((await this.#vaults.all()).map((vault) => [vault.id, vault]));
    for (const [id, vault] of this.#made.entries()) {
      if (vault) all.set(id, vault);
      else all.delete(id);
    }
    return [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** An id that no vault has. */
  newId(): string {
    const id = randomUUID();
    this.#made.missing({ id });
    return id;
  }

  /**
   * Makes or replaces the vault of this id. One that is as it was, but for its updated_at, stays untouched.
   *
   * @returns the vault as it is now
   * @throws VaultConflict when another vault has its prefix; SchemaViolation when what is sensitive in it can't be kept, or
   *   can't be decrypted
   */
  async put(vault: VaultEntity): Promise<VaultEntity> {
    const current = await this.find({ id: vault.id });
    if (current && hasSameContent(current, vault) && this.#sealing.isSame(current, vault)) return current;
    const other = await this.find({ prefix: vault.prefix });
    if (other && other.id !== vault.id) throw new VaultConflict('prefix', vault.prefix);
    this.#sealing.check(vault, current);
    const stored = ordered(vault);
    this.#remember(vault.id, current);
    this.#made.put(stored);
    return stored;
  }

  /** @returns whether it was there */
  async delete(id: string): Promise<boolean> {
    const current = await this.find({ id });
    if (!current) return false;
    this.#remember(id, current);
    this.#made.gone(id);
    return true;
  }

  /** Makes the vaults exactly these. */
  async replaceAll(vaults: readonly VaultEntity[]): Promise<void> {
    const kept = new Set(vaults.map(({ id }) => id));
    const current = await this.all();
    const work = new LongWork();
    for (const { id } of current) {
      if (work.isTurnDue) await work.giveTurn();
      if (!kept.has(id)) await this.delete(id);
    }
    // Two vaults may swap their prefixes: whoever has one that another is to get makes way first.
    const wanted = new Map(vaults.map((vault) => [vault.prefix, vault.id]));
    for (const vault of current) {
      const heir = wanted.get(vault.prefix);
      if (kept.has(vault.id) && heir !== undefined && heir !== vault.id) {
        this.#remember(vault.id, vault);
        this.#made.put({ ...vault, prefix: `~${vault.id}` });
      }
    }
    for (const vault of vaults) {
      if (work.isTurnDue) await work.giveTurn();
      await this.put(vault);
    }
  }

  /** What the edit comes to: for each vault how it was and how it is, where the two differ. */
  changes(): Promise<VaultChange[]> {
    return changesOf(this.#before, this.#made);
  }

  /** How a vault was before this change, of which its prefix is free when it gets another. */
  #remember(id: string, before: VaultEntity | undefined): void {
    if (this.#before.has(id)) return;
    this.#before.set(id, before ?? null);
    if (before) this.#made.put(before);
  }
}

/** The members in the order in which they are read back. */
function ordered(vault: VaultEntity): VaultEntity {
  const { id, prefix, name, description, config, tags, created_at, updated_at } = vault;
  return { id, prefix, name, description, config, tags, created_at, updated_at };
}
