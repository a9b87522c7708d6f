import { canonicalJson } from '@vaultplane/shared/canonical.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import type { Queryable } from './database.ts';
import type { StoredVault, VaultSealing } from './vault-sealing.ts';

/** The columns of a vault, in the order of its members. */
export const VAULT_COLUMNS = 'id, prefix, name, description, config, tags, created_at, updated_at';

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

export type VaultKey = { id: string } | { prefix: string };

/** A change in the making. */
export class ConfigEdit {
  /** Seconds since 1970, whole: the updated_at of all that is put. */
  readonly nowSeconds: number;
  /** For reads beside the vaults. */
  readonly transaction: Queryable;
  readonly #sealing: VaultSealing;
  readonly #before = new Map<string, VaultEntity | null>();
  readonly #after = new Map<string, VaultEntity | null>();
  readonly #known = new KnownVaults();
  #hasWritten = false;

  constructor(transaction: Queryable, nowSeconds: number, sealing: VaultSealing) {
    this.transaction = transaction;
    this.nowSeconds = nowSeconds;
    this.#sealing = sealing;
  }

  /** Whether something stands in the database that was not there before. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  async find(key: VaultKey): Promise<VaultEntity | undefined> {
    const known = this.#known.find(key);
    if (known !== undefined) return known ?? undefined;
    const vault = await findVault(this.transaction, this.#sealing, key);
    this.#known.found(key, vault ?? null);
    return vault;
  }

  async all(): Promise<VaultEntity[]> {
    const vaults = await allVaults(this.transaction, this.#sealing);
    this.#known.foundAll(vaults);
    return vaults;
  }

  /**
   * Makes or replaces the vault of this id. One that is as it was, but for its updated_at, stays untouched.
   *
   * @returns the vault as it is now
   * @throws VaultConflict when another vault has its prefix; SchemaViolation when what is sensitive in it can't be kept
   */
  async put(vault: VaultEntity): Promise<VaultEntity> {
    const current = await this.find({ id: vault.id });
    if (current && canonicalJson({ ...current, updated_at: 0 }) === canonicalJson({ ...vault, updated_at: 0 })) {
      return current;
    }
    const other = await this.find({ prefix: vault.prefix });
    if (other && other.id !== vault.id) throw new VaultConflict('prefix', vault.prefix);
    const sealedConfig = JSON.stringify(this.#sealing.seal(vault).config);
    this.#hasWritten = true;
    await this.transaction.query(
      `insert into vaults (${VAULT_COLUMNS}) values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8)
       on conflict (id) do update set prefix = $2, name = $3, description = $4, config = $5::jsonb, tags = $6,
         created_at = $7, updated_at = $8`,
      [
        ...[vault.id, vault.prefix, vault.name, vault.description, sealedConfig, vault.tags],
        ...[vault.created_at, vault.updated_at],
      ],
    );
    const stored = ordered(vault);
    this.#known.put(stored);
    this.#record(vault.id, current ?? null, stored);
    return stored;
  }

  /** @returns whether it was there */
  async delete(id: string): Promise<boolean> {
    this.#hasWritten = true;
    const [stored] = await this.transaction.query<StoredVault>(
      `delete from vaults where id = $1 returning ${VAULT_COLUMNS}`,
      [id],
    );
    this.#known.gone(id);
    if (stored) this.#record(id, this.#sealing.open(stored), null);
    return stored !== undefined;
  }

  /** Makes the vaults exactly these. */
  async replaceAll(vaults: readonly VaultEntity[]): Promise<void> {
    const kept = new Set(vaults.map(({ id }) => id));
    const current = await this.all();
    for (const { id } of current) if (!kept.has(id)) await this.delete(id);
    // Two vaults may swap their prefixes: whoever has one that another is to get makes way first.
    const wanted = new Map(vaults.map((vault) => [vault.prefix, vault.id]));
    for (const vault of current) {
      const heir = wanted.get(vault.prefix);
      if (kept.has(vault.id) && heir !== undefined && heir !== vault.id) {
        this.#hasWritten = true;
        await this.transaction.query('update vaults set prefix = $2 where id = $1', [vault.id, `~${vault.id}`]);
        this.#known.put({ ...vault, prefix: `~${vault.id}` });
        this.#record(vault.id, vault, vault);
      }
    }
    for (const vault of vaults) await this.put(vault);
  }

  /** What the edit comes to: for each vault how it was and how it is, where the two differ. */
  get changes(): Array<{ vaultId: string; before: VaultEntity | null; after: VaultEntity | null }> {
    return [...this.#after]
      .map(([vaultId, after]) => ({ vaultId, before: this.#before.get(vaultId) ?? null, after }))
      .filter(({ before, after }) => canonicalJson(before) !== canonicalJson(after));
  }

  #record(id: string, before: VaultEntity | null, after: VaultEntity | null): void {
    if (!this.#before.has(id)) this.#before.set(id, before);
    this.#after.set(id, after);
  }
}

/** What an edit knows of the database; nobody else writes while it goes on. */
class KnownVaults {
  /** Null: there is none. */
  readonly #byId = new Map<string, VaultEntity | null>();
  readonly #byPrefix = new Map<string, VaultEntity | null>();
  /** What is not among them is not there. */
  #areAll = false;

  /** @returns undefined where it is not known; null where there is none */
  find(key: VaultKey): VaultEntity | null | undefined {
    const known = 'id' in key ? this.#byId.get(key.id.toLowerCase()) : this.#byPrefix.get(key.prefix);
    return known === undefined && this.#areAll ? null : known;
  }

  found(key: VaultKey, vault: VaultEntity | null): void {
    if (vault) this.put(vault);
    else if ('id' in key) this.#byId.set(key.id.toLowerCase(), null);
    else this.#byPrefix.set(key.prefix, null);
  }

  foundAll(vaults: readonly VaultEntity[]): void {
    for (const vault of vaults) this.put(vault);
    this.#areAll = true;
  }

  put(vault: VaultEntity): void {
    this.gone(vault.id);
    this.#byId.set(vault.id.toLowerCase(), vault);
    this.#byPrefix.set(vault.prefix, vault);
  }

  gone(id: string): void {
    const was = this.#byId.get(id.toLowerCase());
    if (was && this.#byPrefix.get(was.prefix)?.id === was.id) this.#byPrefix.set(was.prefix, null);
    this.#byId.set(id.toLowerCase(), null);
  }
}

/** The members in the order in which they are read back. */
function ordered(vault: VaultEntity): VaultEntity {
  const { id, prefix, name, description, config, tags, created_at, updated_at } = vault;
  return { id, prefix, name, description, config, tags, created_at, updated_at };
}

/** Every vault, in order of id. */
export async function allVaults(database: Queryable, sealing: VaultSealing): Promise<VaultEntity[]> {
  const rows = await database.query<StoredVault>(`select ${VAULT_COLUMNS} from vaults order by id`);
  return rows.map((row) => sealing.open(row));
}

export async function findVault(
  database: Queryable,
  sealing: VaultSealing,
  key: VaultKey,
): Promise<VaultEntity | undefined> {
  const [column, value] = 'id' in key ? ['id', key.id] : ['prefix', key.prefix];
  const [row] = await database.query<StoredVault>(`select ${VAULT_COLUMNS} from vaults where ${column} = $1`, [value]);
  return row && sealing.open(row);
}
