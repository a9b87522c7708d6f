import type { Clock } from '@vaultplane/shared/clock.ts';
import type { Keyring } from '@vaultplane/shared/keyring.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import {
  type Actor,
  auditRequestRow,
  INSERT_AUDIT_REQUESTS,
  insertAuditRequest,
  type WriteRequest,
} from './audit-log.ts';
import { allVaults, ConfigEdit, findVault, VAULT_COLUMNS, type VaultKey } from './config-edit.ts';
import { type Database, DatabaseUnavailable, type Queryable, sqlState } from './database.ts';
import { type StoredVault, VaultSealing } from './vault-sealing.ts';

/** The channel on which control planes tell each other that there is a new version. */
export const CONFIG_CHANNEL = 'vaultplane_config';
/** Versions that are kept where the settings say nothing else. */
export const VERSIONS_KEPT = 1000;
/** So many vaults are named in a list of versions; the version itself has them all. */
const NAMED_IN_LIST = 10;
/** Changes that wait at the same time are made in one transaction, up to so many. */
const MOST_CHANGES_TOGETHER = 32;

/** Where the database stands; the hash is for whoever has the entities (cluster/publisher.ts). */
export interface StorePosition {
  timeline: string;
  version: number;
}

export interface StoredConfig extends StorePosition {
  vaults: VaultEntity[];
}

/** What a change did to one vault. */
export interface VaultChange {
  vaultId: string;
  /** Null where it was not there. */
  before: VaultEntity | null;
  /** Null where it is gone. */
  after: VaultEntity | null;
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
  readonly #waiting: Change[] = [];
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
   * @throws whatever `edit` throws, having changed nothing; VaultConflict
   */
  change<T>(actor: Actor, request: WriteRequest, edit: (edit: ConfigEdit) => Promise<T>): Promise<Changed<T>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ actor, request, edit, resolve: resolve as Change['resolve'], reject });
      if (!this.#isChanging) void this.#changeAll();
    });
  }

  /** Never rejects. */
  async #changeAll(): Promise<void> {
    this.#isChanging = true;
    while (this.#waiting.length > 0) {
      const together = this.#waiting.splice(0, MOST_CHANGES_TOGETHER);
      try {
        await this.#commit(together);
      } catch (error) {
        if (together.length === 1 || error instanceof DatabaseUnavailable) {
          for (const { reject } of together) reject(error);
        } else {
          // One of them has failed half-way, and nothing of any is left: each by itself.
          for (const change of together) await this.#commit([change]).catch(change.reject);
        }
      }
    }
    this.#isChanging = false;
  }

  /** @throws what went wrong in the database, or in an edit after it had written something; then nothing is changed */
  async #commit(together: readonly Change[]): Promise<void> {
    const outcomes = await this.#database.transaction(async (transaction) => {
      // The lock that puts writers in order.
      const [state] = await transaction.query<StorePosition>('select timeline, version from config_state for update');
      const outcomes: Array<() => void> = [];
      const written: WrittenChange[] = [];
      let { version } = state!;
      for (const { actor, request, edit, resolve, reject } of together) {
        const at = this.#clock.now();
        const editing = new ConfigEdit(transaction, Math.floor(at / 1000), this.#sealing);
        let result: unknown;
        try {
          result = await edit(editing);
        } catch (error) {
          if (editing.hasWritten || sqlState(error) !== undefined || error instanceof DatabaseUnavailable) throw error;
          outcomes.push(() => reject(error));
          continue;
        }
        const { changes } = editing;
        const before = version;
        if (changes.length > 0) version++;
        const after = version;
        written.push({ at, actor, request, before, after, changes });
        outcomes.push(() => resolve({ result, version: after, changed: after > before }));
      }
      if (version > state!.version) await this.#writeVersions(transaction, version, written);
      else
        for (const { at, actor, request } of written)
          await insertAuditRequest(transaction, at, actor, request, version, version);
      return outcomes;
    });
    for (const settle of outcomes) settle();
  }

  /** One statement: each would be a way to the database and back while all other writers wait. */
  async #writeVersions(transaction: Queryable, newest: number, written: readonly WrittenChange[]): Promise<void> {
    const oldest = newest - this.#versionsKept;
    const kept = written.filter(({ before, after }) => after > before && after > oldest);
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
    const audit = written.map(({ at, actor, request, before, after }) =>
      auditRequestRow(at, actor, request, before, after),
    );
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
         audit as (${INSERT_AUDIT_REQUESTS} $5::jsonb))
       select pg_notify($6, $7)`,
      [
        ...[newest, JSON.stringify(versions), JSON.stringify(changes), oldest],
        ...[JSON.stringify(audit), CONFIG_CHANNEL, String(newest)],
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
interface Change {
  actor: Actor;
  request: WriteRequest;
  edit: (edit: ConfigEdit) => Promise<unknown>;
  resolve: (changed: Changed<unknown>) => void;
  reject: (error: unknown) => void;
}

/** One whose vaults stand in the database, but not yet its version. */
interface WrittenChange {
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
