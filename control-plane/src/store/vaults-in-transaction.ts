import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { nextTurn } from '@vaultplane/platform/time/next-turn.ts';
import { MARK, type MarkedPosition } from './config-state.ts';
import type { Queryable } from './database.ts';
import { KnownVaults, type VaultKey } from './known-vaults.ts';
import { changesOf, type VaultChange } from './vault-change.ts';
import type { StoredVault, VaultSealing } from './vault-sealing.ts';

/** The columns of a vault, in the order of its members. */
export const VAULT_COLUMNS = 'id, prefix, name, description, config, tags, created_at, updated_at';

/** What reads vaults, all at the position that the changes go by. */
export interface VaultReader {
  /** Those that there are of these, in no order. */
  find(keys: readonly VaultKey[]): Promise<VaultEntity[]>;
  all(): Promise<VaultEntity[]>;
}

/**
 * The vaults as the changes of one transaction see them: each change what those before it have made of them. What is not
 * known is read, once, and what the changes come to is written once, at the end.
 */
export class VaultsInTransaction {
  readonly #reader: VaultReader;
  /** As they are in the database. */
  readonly #held: KnownVaults;
  /** What changes have made of some. */
  readonly #made = new KnownVaults();
  /** Those that changes have touched: as they are in the database. */
  readonly #stored = new Map<string, VaultEntity | null>();
  #areAllKnown = false;

  /** @param held what is known already, to which is added what is read */
  constructor(reader: VaultReader, held: KnownVaults) {
    this.#reader = reader;
    this.#held = held;
  }

  /** Reads vaults that will be asked for, by one statement. */
  async expect(keys: readonly VaultKey[]): Promise<void> {
    const unknown = keys.filter((key) => this.#find(key) === undefined);
    if (unknown.length === 0) return;
    for (const vault of await this.#reader.find(unknown)) this.#held.put(vault);
    for (const key of unknown) if (this.#held.find(key) === undefined) this.#held.missing(key);
  }

  async find(key: VaultKey): Promise<VaultEntity | undefined> {
    if (this.#find(key) === undefined) await this.expect([key]);
    return this.#find(key) ?? undefined;
  }

  /** In no order. */
  async all(): Promise<VaultEntity[]> {
    if (!this.#areAllKnown) {
      for (const vault of await this.#reader.all()) this.#held.put(vault);
      this.#areAllKnown = true;
    }
    const all = new Map([...this.#held.entries(), ...this.#made.entries()]);
    return [...all.values()].filter((vault) => vault !== null);
  }

  /** Takes over what a change has made of vaults, each of which it has found before, or knows to be new. */
  accept(changes: readonly VaultChange[]): void {
    for (const { vaultId, before } of changes) {
      if (this.#stored.has(vaultId)) continue;
      this.#stored.set(vaultId, before);
      // First of all of them, since one may get the prefix of another: what each leaves is then known to be free.
      if (before) this.#made.put(before);
    }
    for (const { vaultId, after } of changes) {
      if (after) this.#made.put(after);
      else this.#made.gone(vaultId);
    }
  }

  /** What the changes come to: of each vault that differs now. */
  touched(): Promise<VaultChange[]> {
    return changesOf(this.#stored, this.#made);
  }

  #find(key: VaultKey): VaultEntity | null | undefined {
    const made = this.#made.find(key);
    const known = made === undefined ? this.#held.find(key) : made;
    return known === undefined && this.#areAllKnown ? null : known;
  }
}

/** Vaults that one statement reads, since PGlite runs in this process. */
const MAX_VAULTS_A_READ = 1000;

/** Every vault, in order of id; of one moment where `transaction` is one in which others' writes are not seen. */
export function allVaults(transaction: Queryable, sealing: VaultSealing): Promise<VaultEntity[]> {
  return inParts(async (after) => {
    const rows = await transaction.query<StoredVault>(
      `select ${VAULT_COLUMNS} from vaults where $1::uuid is null or id > $1 order by id limit $2`,
      [after, MAX_VAULTS_A_READ],
    );
    return rows.map((row) => sealing.open(row));
  });
}

/** @param read gives the vaults behind an id, in order of id, and no fewer than there may be unless they are the last */
async function inParts(read: (after: string | null) => Promise<VaultEntity[]>): Promise<VaultEntity[]> {
  const all: VaultEntity[] = [];
  for (;;) {
    const part = await read(all.at(-1)?.id ?? null);
    all.push(...part);
    if (part.length < MAX_VAULTS_A_READ) return all;
    await nextTurn();
  }
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
    `select ${VAULT_COLUMNS} from vaults where ${IS_ONE_OF}`,
    parametersOf(keys),
  );
  return rows.map((row) => sealing.open(row));
}

/** Reads in a transaction that nobody else's writes come into. */
export function readerIn(transaction: Queryable, sealing: VaultSealing): VaultReader {
  return {
    find: (keys) => findVaults(transaction, sealing, keys),
    all: () => allVaults(transaction, sealing),
  };
}

/** Somebody else has written since the position that changes went by: all that they came to is void. */
export class PositionPassed extends Error {
  override readonly name = 'PositionPassed';
}

/** Reads while anybody may write: each time the position too. @throws PositionPassed */
export function readerAt({ mark }: MarkedPosition, database: Queryable, sealing: VaultSealing): VaultReader {
  const read = async (condition: string, parameters: readonly unknown[] = []) => {
    // Of one statement all is of one moment. There is always a row, since there is a state.
    const rows = await database.query<{ mark: string; id: string | null } & StoredVault>(
      `select ${MARK} as mark, ${VAULT_COLUMNS.replaceAll(/\w+/g, 'vaults.$&')}
       from config_state left join vaults on ${condition}`,
      parameters,
    );
    if (rows.some((row) => row.mark !== mark)) throw new PositionPassed();
    return rows.flatMap(({ mark: _, ...row }) => (row.id === null ? [] : sealing.open(row)));
  };
  const partBehind = (after: string | null) =>
    read(`$1::uuid is null or vaults.id > $1 order by vaults.id limit ${MAX_VAULTS_A_READ}`, [after]);
  return { find: (keys) => read(IS_ONE_OF, parametersOf(keys)), all: () => inParts(partBehind) };
}

const IS_ONE_OF = 'vaults.id = any($1::uuid[]) or vaults.prefix = any($2::text[])';

function parametersOf(keys: readonly VaultKey[]): unknown[] {
  return [
    keys.flatMap((key) => ('id' in key ? [key.id] : [])),
    keys.flatMap((key) => ('prefix' in key ? [key.prefix] : [])),
  ];
}
