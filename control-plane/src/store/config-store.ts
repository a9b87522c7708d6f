import type { Clock } from '@vaultplane/shared/clock.ts';
import type { Keyring } from '@vaultplane/shared/keyring.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { type Actor, auditRequestRow, INSERT_AUDIT_REQUESTS, type WriteRequest } from './audit-log.ts';
import { ConfigEdit, type VaultChange } from './config-edit.ts';
import { type Database, DatabaseUnavailable, type Queryable, sqlState } from './database.ts';
import type { VaultKey } from './known-vaults.ts';
import { type StoredVault, VaultSealing } from './vault-sealing.ts';
import { allVaults, findVault, upsertOfVaults, VAULT_COLUMNS, VaultsInTransaction } from './vaults-in-transaction.ts';

/** The channel on which control planes tell each other that there is a new version. */
export const CONFIG_CHANNEL = 'vaultplane_config';
/** Versions that are kept where the settings say nothing else. */
export const VERSIONS_KEPT = 1000;
/** So many vaults are named in a list of versions; the version itself has them all. */
const NAMED_IN_LIST = 10;
/** Changes that wait at the same time are made in one transaction, up to so many. */
const MOST_CHANGES_TOGETHER = 32;

/** What a transaction that changes the configuration begins with: the lock that puts writers in order. */
const LOCKED = { first: 'select timeline, version from config_state for update' };

/** Where the database stands; the hash is for whoever has the entities (cluster/publisher.ts). */
export interface StorePosition {
  timeline: string;
  version: number;
}

export interface StoredConfig extends StorePosition {
  vaults: VaultEntity[];
}

/** What one version did to one vault. */
export interface ConfigChange extends VaultChange {
  version: number;
}

export interface ConfigVersion {
  version: number;
  made_at: Date;
  /** Who. */
  actor: string;
  /** By what: an Admin API call, or a command. */
  action: string;
}

/** A version in a list: how many vaults it made, changed and took away, and the prefixes of some. */
export interface ListedVersion extends ConfigVersion {
  created: number;
  updated: number;
  deleted: number;
  vaults: string[];
}

export interface PageQuery {
  size: number;
  /** Vaults behind this id. */
  after?: string | undefined;
  tags?: { all?: string[]; any?: string[] } | undefined;
}

export interface ConfigStoreOptions {
  /** For what is sensitive in vaults; without it nothing sensitive can be kept. */
  keyring?: Keyring | undefined;
  /** How many versions are kept, the newest; older ones can't be looked at, or gone back to, any more. */
  versionsKept?: number | undefined;
}

/** The vaults and the log of their changes. */
export class ConfigStore {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #sealing: VaultSealing;
  readonly #versionsKept: number;
  readonly #waiting: Array<Change<unknown>> = [];
  #isChanging = false;

  constructor(database: Database, clock: Clock, { keyring, versionsKept = VERSIONS_KEPT }: ConfigStoreOptions = {}) {
    this.#database = database;
    this.#clock = clock;
    this.#sealing = new VaultSealing(keyring);
    this.#versionsKept = versionsKept;
  }

  async position(): Promise<StorePosition> {
    return positionOf(this.#database);
  }

  /** Everything, at one version. */
  async load(): Promise<StoredConfig> {
    return this.#database.transaction(async (transaction) => {
      await transaction.query('set transaction isolation level repeatable read, read only');
      const position = await positionOf(transaction);
      return { ...position, vaults: await allVaults(transaction, this.#sealing) };
    });
  }

  /** What happened after a version, in order; whole versions only, and only those that are still kept. */
  async changesAfter(version: number): Promise<ConfigChange[]> {
    const rows = await this.#database.query<StoredChange>(
      `select version, vault_id as "vaultId", before, after from config_changes where version > $1
       order by version, vault_id`,
      [version],
    );
    return rows.map((row) => this.#open(row));
  }

  async page({ size, after, tags }: PageQuery): Promise<VaultEntity[]> {
    const rows = await this.#database.query<StoredVault>(
      `select ${VAULT_COLUMNS} from vaults
       where ($1::uuid is null or id > $1) and ($2::text[] is null or tags @> $2) and ($3::text[] is null or tags && $3)
       order by id limit $4`,
      [after ?? null, tags?.all ?? null, tags?.any ?? null, size],
    );
    return rows.map((row) => this.#sealing.open(row));
  }

  async find(key: VaultKey): Promise<VaultEntity | undefined> {
    return findVault(this.#database, this.#sealing, key);
  }

  /** Versions, the newest first, those before `before` if given. */
  async versions(size: number, before?: number): Promise<ListedVersion[]> {
    return this.#database.query(
      `select version, made_at, actor, action,
         count(*) filter (where before is null and after is not null)::integer as created,
         count(*) filter (where before is not null and after is not null)::integer as updated,
         count(*) filter (where before is not null and after is null)::integer as deleted,
         coalesce((array_agg(coalesce(after, before) ->> 'prefix' order by coalesce(after, before) ->> 'prefix')
           filter (where vault_id is not null))[1:${NAMED_IN_LIST}], '{}') as vaults
       from (select version, made_at, actor, action from config_versions
             where $2::bigint is null or version < $2 order by version desc limit $1) as page
         left join config_changes using (version)
       group by version, made_at, actor, action order by version desc`,
      [size, before ?? null],
    );
  }

  /** One version and what it changed; undefined where it is not, or no longer, kept. */
  async version(version: number): Promise<(ConfigVersion & { changes: VaultChange[] }) | undefined> {
    const [found] = await this.#database.query<ConfigVersion>(
      'select version, made_at, actor, action from config_versions where version = $1',
      [version],
    );
    if (!found) return undefined;
    const rows = await this.#database.query<StoredChange>(
      `select vault_id as "vaultId", before, after from config_changes where version = $1 order by vault_id`,
      [version],
    );
    return { ...found, changes: rows.map((row) => this.#open(row)) };
  }

  /**
   * The vaults as they were at a version; undefined where there never was one, or what came after it is no longer kept.
   * Inside a change: give its edit's transaction.
   */
  async vaultsAt(version: number, within: Queryable = this.#database): Promise<VaultEntity[] | undefined> {
    const { version: newest } = await positionOf(within);
    if (version > newest) return undefined;
    const [kept] = await within.query<{ oldest: number | null }>('select min(version) as oldest from config_versions');
    if (version < (kept?.oldest ?? newest + 1) - 1) return undefined;
    const vaults = new Map((await allVaults(within, this.#sealing)).map((vault) => [vault.id, vault]));
    // The oldest change behind the version tells for each vault what it was.
    const undone = await within.query<StoredChange>(
      `select distinct on (vault_id) vault_id as "vaultId", before, null as after from config_changes where version > $1
       order by vault_id, version`,
      [version],
    );
    for (const { vaultId, before } of undone.map((row) => this.#open(row))) {
      if (before) vaults.set(vaultId, before);
      else vaults.delete(vaultId);
    }
    return [...vaults.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Makes a change, as one transaction: the entities, the log row with the next version, the audit row, the NOTIFY. A
   * change that changes nothing makes no version. Changes wait for each other, so an edit sees all that came before it;
   * those that wait here at the same time share a transaction. So an edit may run twice, and only its last run counts.
   *
   * @param expects what the edit will look at first, as far as that is known: read for all of a transaction at once
   * @throws whatever `edit` throws, having changed nothing; VaultConflict
   */
  change<T>(
    actor: Actor,
    request: WriteRequest,
    edit: (edit: ConfigEdit) => Promise<T>,
    expects: readonly VaultKey[] = [],
  ): Promise<Changed<T>> {
    return this.#enqueue({ actor, request, expects, edit });
  }

  /**
   * Makes a change that goes by more than the vaults: `edit` may read what it likes beside them, and no other change
   * shares its transaction.
   *
   * @throws as `change` does
   */
  changeAlone<T>(
    actor: Actor,
    request: WriteRequest,
    edit: (edit: ConfigEdit, transaction: Queryable) => Promise<T>,
  ): Promise<Changed<T>> {
    return this.#enqueue({ actor, request, expects: [], edit, isAlone: true });
  }

  #enqueue<T>(change: Omit<Change<T>, 'resolve' | 'reject'>): Promise<Changed<T>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...change, resolve, reject } as Change<unknown>);
      if (!this.#isChanging) void this.#changeAll();
    });
  }

  /** Never rejects. */
  async #changeAll(): Promise<void> {
    this.#isChanging = true;
    while (this.#waiting.length > 0) {
      // PGlite answers without ever going back to the event loop: what has come in at the same time is read by then.
      await new Promise((resolve) => setImmediate(resolve));
      // Those that come while the transaction waits for its turn are part of it.
      let together: Change<unknown>[] = [];
      const take = () => {
        together = this.#waiting.splice(0, this.#howManyTogether());
        return together;
      };
      try {
        await this.#commit(take);
      } catch (error) {
        // Also those for which it never began.
        if (together.length === 0) take();
        if (together.length === 1 || error instanceof DatabaseUnavailable) {
          for (const { reject } of together) reject(error);
        } else {
          // What the database does not take is of one of them, and nothing of any is left: each by itself.
          for (const change of together) await this.#commit(() => [change]).catch(change.reject);
        }
      }
    }
    this.#isChanging = false;
  }

  #howManyTogether(): number {
    const alone = this.#waiting.findIndex(({ isAlone }) => isAlone);
    const most = alone < 0 ? MOST_CHANGES_TOGETHER : Math.max(1, alone);
    return Math.min(most, MOST_CHANGES_TOGETHER);
  }

  /**
   * @param take gives the changes, once all other writers wait
   * @throws what went wrong in the database; then nothing is changed
   */
  async #commit(take: () => ReadonlyArray<Change<unknown>>): Promise<void> {
    const outcomes = await this.#database.transaction(async (transaction, [state]) => {
      const together = take();
      const { version: newest } = state as unknown as StorePosition;
      const vaults = new VaultsInTransaction(transaction, this.#sealing);
      await vaults.expect(together.flatMap(({ expects }) => expects));
      const outcomes: Array<() => void> = [];
      const made: MadeChange[] = [];
      let version = newest;
      for (const { actor, request, edit, resolve, reject } of together) {
        const at = this.#clock.now();
        const editing = new ConfigEdit(vaults, Math.floor(at / 1000), this.#sealing);
        let result: unknown;
        try {
          result = await edit(editing, transaction);
        } catch (error) {
          // After an error of the database nothing more can be done in the transaction.
          if (sqlState(error) !== undefined || error instanceof DatabaseUnavailable) throw error;
          outcomes.push(() => reject(error));
          continue;
        }
        const { changes } = editing;
        vaults.accept(changes);
        const before = version;
        if (changes.length > 0) version++;
        const after = version;
        made.push({ at, actor, request, before, after, changes });
        outcomes.push(() => resolve({ result, version: after, changed: after > before }));
      }
      await this.#write(transaction, newest, version, vaults, made);
      return outcomes;
    }, LOCKED);
    for (const settle of outcomes) settle();
  }

  /** One statement, where it can be: each is a way to the database and back while all other writers wait. */
  async #write(
    transaction: Queryable,
    from: number,
    newest: number,
    vaults: VaultsInTransaction,
    made: readonly MadeChange[],
  ): Promise<void> {
    if (made.length === 0) return;
    const audit = JSON.stringify(
      made.map(({ at, actor, request, before, after }) => auditRequestRow(at, actor, request, before, after)),
    );
    if (newest === from) {
      await transaction.query(`${INSERT_AUDIT_REQUESTS} $1::jsonb)`, [audit]);
      return;
    }
    const oldest = newest - this.#versionsKept;
    const kept = made.filter(({ before, after }) => after > before && after > oldest);
    const sealed = (vault: VaultEntity | null) => vault && this.#sealing.seal(vault);
    const versions = kept.map(({ at, actor, request, after }) => ({
      version: after,
      made_at: new Date(at),
      actor: actor.name,
      action: `${request.method} ${request.path}`,
    }));
    const changes = kept.flatMap(({ after: version, changes }) =>
      changes.map(({ vaultId, before, after }) => ({
        ...{ version, vault_id: vaultId },
        ...{ before: sealed(before), after: sealed(after) },
      })),
    );
    await vaults.makeWay();
    await transaction.query(
      `with
         state as (update config_state set version = $1),
         new_versions as (
           insert into config_versions (version, made_at, actor, action)
           select version, made_at, actor, action
           from jsonb_to_recordset($2::jsonb) as made (version bigint, made_at timestamptz, actor text, action text)),
         new_changes as (
           insert into config_changes (version, vault_id, before, after)
           select version, vault_id, before, after
           from jsonb_to_recordset($3::jsonb) as change (version bigint, vault_id uuid, before jsonb, after jsonb)),
         old_changes as (delete from config_changes where version <= $4),
         old_versions as (delete from config_versions where version <= $4),
         audit as (${INSERT_AUDIT_REQUESTS} $5::jsonb)),
         new_vaults as (${upsertOfVaults('$8::jsonb')})
       select pg_notify($6, $7)`,
      [
        ...[newest, JSON.stringify(versions), JSON.stringify(changes), oldest],
        ...[audit, CONFIG_CHANNEL, String(newest), JSON.stringify(vaults.toWrite())],
      ],
    );
  }

  #open<Row extends StoredChange>(row: Row): Row & VaultChange {
    const { before, after } = row;
    return { ...row, before: before && this.#sealing.open(before), after: after && this.#sealing.open(after) };
  }
}

/** What became of a change. */
interface Changed<T> {
  result: T;
  version: number;
  changed: boolean;
}

/** One that waits for its turn. */
interface Change<T> {
  actor: Actor;
  request: WriteRequest;
  expects: readonly VaultKey[];
  edit: (edit: ConfigEdit, transaction: Queryable) => Promise<T>;
  isAlone?: boolean;
  resolve: (changed: Changed<T>) => void;
  reject: (error: unknown) => void;
}

/** One that stands in the transaction, but not yet in the database. */
interface MadeChange {
  /** Milliseconds since 1970. */
  at: number;
  actor: Actor;
  request: WriteRequest;
  /** Versions; the same where nothing changed. */
  before: number;
  after: number;
  changes: readonly VaultChange[];
}

type StoredChange = { version: number; vaultId: string; before: StoredVault | null; after: StoredVault | null };

async function positionOf(database: Queryable): Promise<StorePosition> {
  const [state] = await database.query<StorePosition>('select timeline, version from config_state');
  return state!;
}
