import { canonicalJson } from '@vaultplane/shared/canonical.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import type { VaultChange } from './config-edit.ts';
import type { Queryable } from './database.ts';
import { KnownVaults, type VaultKey } from './known-vaults.ts';
import type { StoredVault, VaultSealing } from './vault-sealing.ts';

/** The columns of a vault, in the order of its members. */
export const VAULT_COLUMNS = 'id, prefix, name, description, config, tags, created_at, updated_at';
const REPLACED = VAULT_COLUMNS.split(', ').slice(1);

/** The statement that makes or replaces vaults. @param rows an expression for a list of them as jsonb */
export function upsertOfVaults(rows: string): string {
  return `insert into vaults (${VAULT_COLUMNS}) select ${VAULT_COLUMNS} from jsonb_populate_recordset(null::vaults, ${rows})
    on conflict (id) do update set ${REPLACED.map((column) => `${column} = excluded.${column}`).join(', ')}`;
}

/**
 * The vaults as the changes of one transaction see them: each change what those before it have made of them. Each vault
 * is read once, and what the changes come to is written once, at the end. Whoever uses it holds the writers' lock, so
 * that nobody else writes meanwhile.
 */
export class VaultsInTransaction {
  readonly #transaction: Queryable;
  readonly #sealing: VaultSealing;
  readonly #known = new KnownVaults();
  /** Those that changes have touched: as they are in the database. */
  readonly #stored = new Map<string, VaultEntity | null>();
  #areAllKnown = false;

  constructor(transaction: Queryable, sealing: VaultSealing) {
    this.#transaction = transaction;
    this.#sealing = sealing;
  }

  /** Reads vaults that will be asked for, by one statement. */
  async expect(keys: readonly VaultKey[]): Promise<void> {
    const unknown = keys.filter((key) => this.#find(key) === undefined);
    if (unknown.length === 0) return;
    for (const vault of await findVaults(this.#transaction, this.#sealing, unknown)) this.#learn(vault);
    for (const key of unknown) if (this.#known.find(key) === undefined) this.#known.missing(key);
  }

  async find(key: VaultKey): Promise<VaultEntity | undefined> {
    if (this.#find(key) === undefined) await this.expect([key]);
    return this.#find(key) ?? undefined;
  }

  /** In no order. */
  async all(): Promise<VaultEntity[]> {
    if (!this.#areAllKnown) {
      for (const vault of await allVaults(this.#transaction, this.#sealing)) this.#learn(vault);
      this.#areAllKnown = true;
    }
    return [...this.#known.entries()].flatMap(([, vault]) => vault ?? []);
  }

  /** Takes over what a change has made of vaults, each of which it has found before, or knows to be new. */
  accept(changes: readonly VaultChange[]): void {
    for (const { vaultId, before, after } of changes) {
      if (!this.#stored.has(vaultId)) this.#stored.set(vaultId, before);
      if (after) this.#known.put(after);
      else this.#known.gone(vaultId);
    }
  }

  /** A prefix that one vault leaves may be another's now: whoever leaves one is taken away before anything is written. */
  async makeWay(): Promise<void> {
    const leaving = this.#touched().filter(({ before, after }) => before && before.prefix !== after?.prefix);
    if (leaving.length === 0) return;
    await this.#transaction.query('delete from vaults where id = any($1::uuid[])', [leaving.map(({ id }) => id)]);
  }

  /** Rows for `upsertOfVaults`: what the changes come to, of all that is not taken away. @throws SchemaViolation */
  toWrite(): StoredVault[] {
    return this.#touched()
      .filter(({ before, after }) => after && canonicalJson(before) !== canonicalJson(after))
      .map(({ after }) => this.#sealing.seal(after!));
  }

  #touched() {
    return [...this.#stored].map(([id, before]) => ({ id, before, after: this.#known.find({ id }) ?? null }));
  }

  #find(key: VaultKey): VaultEntity | null | undefined {
    const known = this.#known.find(key);
    return known === undefined && this.#areAllKnown ? null : known;
  }

  /** What the database has; what a change has made of it is newer. */
  #learn(vault: VaultEntity): void {
    if (this.#known.find({ id: vault.id }) === undefined) this.#known.put(vault);
  }
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
  const [vault] = await findVaults(database, sealing, [key]);
  return vault;
}

async function findVaults(
  database: Queryable,
  sealing: VaultSealing,
  keys: readonly VaultKey[],
): Promise<VaultEntity[]> {
  const rows = await database.query<StoredVault>(
    `select ${VAULT_COLUMNS} from vaults where id = any($1::uuid[]) or prefix = any($2::text[])`,
    [
      keys.flatMap((key) => ('id' in key ? [key.id] : [])),
      keys.flatMap((key) => ('prefix' in key ? [key.prefix] : [])),
    ],
  );
  return rows.map((row) => sealing.open(row));
}
