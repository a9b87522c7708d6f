import { canonicalJson } from '@vaultplane/shared/canonical.ts';
import type { Clock } from '@vaultplane/shared/clock.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import { type Actor, insertAuditRequest, type WriteRequest } from './audit-log.ts';
import type { Database, Queryable } from './database.ts';

/** The channel on which control planes tell each other that there is a new version. */
export const CONFIG_CHANNEL = 'vaultplane_config';

/** Where the database stands; the hash is for whoever has the entities (cluster/publisher.ts). */
export interface StorePosition {
  timeline: string;
  version: number;
}

export interface StoredConfig extends StorePosition {
  vaults: VaultEntity[];
}

/** What one version did to one vault. */
export interface ConfigChange {
  version: number;
  vaultId: string;
  /** Null where it was not there. */
  before: VaultEntity | null;
  /** Null where it is gone. */
  after: VaultEntity | null;
}

export interface ConfigVersion {
  version: number;
  made_at: Date;
  actor: string;
  action: string;
}

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

export interface PageQuery {
  size: number;
  /** Vaults behind this id. */
  after?: string | undefined;
  tags?: { all?: string[]; any?: string[] } | undefined;
}

const COLUMNS = 'id, prefix, name, description, config, tags, created_at, updated_at';

/** The vaults and the log of their changes. */
export class ConfigStore {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async position(): Promise<StorePosition> {
    return positionOf(this.#database);
  }

  /** Everything, at one version. */
  async load(): Promise<StoredConfig> {
    return this.#database.transaction(async (transaction) => {
      await transaction.query('set transaction isolation level repeatable read, read only');
      const position = await positionOf(transaction);
      return { ...position, vaults: await transaction.query<VaultEntity>(`select ${COLUMNS} from vaults order by id`) };
    });
  }

  /** What happened after a version, in order; whole versions only. */
  async changesAfter(version: number): Promise<ConfigChange[]> {
    return this.#database.query(
      `select version, vault_id as "vaultId", before, after from config_changes where version > $1
       order by version, vault_id`,
      [version],
    );
  }

  async page({ size, after, tags }: PageQuery): Promise<VaultEntity[]> {
    return this.#database.query(
      `select ${COLUMNS} from vaults
       where ($1::uuid is null or id > $1) and ($2::text[] is null or tags @> $2) and ($3::text[] is null or tags && $3)
       order by id limit $4`,
      [after ?? null, tags?.all ?? null, tags?.any ?? null, size],
    );
  }

  /** A vault by its prefix, or by its id where it is given as `{id}`. */
  async find(key: VaultKey): Promise<VaultEntity | undefined> {
    return find(this.#database, key);
  }

  /** Versions, the newest first, those before `before` if given. */
  async versions(size: number, before?: number): Promise<ConfigVersion[]> {
    return this.#database.query(
      `select version, made_at, actor, action from config_versions
       where $2::bigint is null or version < $2 order by version desc limit $1`,
      [size, before ?? null],
    );
  }

  /** The vaults as they were at a version; undefined where there never was one. Inside a change: give its edit. */
  async vaultsAt(version: number, within: Queryable = this.#database): Promise<VaultEntity[] | undefined> {
    const { version: newest } = await positionOf(within);
    if (version > newest) return undefined;
    const vaults = new Map(
      (await within.query<VaultEntity>(`select ${COLUMNS} from vaults`)).map((vault) => [vault.id, vault]),
    );
    // The oldest change behind the version tells for each vault what it was.
    const undone = await within.query<ConfigChange>(
      `select distinct on (vault_id) vault_id as "vaultId", before from config_changes where version > $1
       order by vault_id, version`,
      [version],
    );
    for (const { vaultId, before } of undone) {
      if (before) vaults.set(vaultId, before);
      else vaults.delete(vaultId);
    }
    return [...vaults.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Makes a change, as one transaction: the entities, the log row with the next version, the audit row, the NOTIFY. A
   * change that changes nothing makes no version. Changes wait for each other, so an edit sees all that came before it.
   *
   * @throws whatever `edit` throws, having changed nothing; VaultConflict
   */
  async change<T>(
    actor: Actor,
    request: WriteRequest,
    edit: (edit: ConfigEdit) => Promise<T>,
  ): Promise<{ result: T; version: number; changed: boolean }> {
    return this.#database.transaction(async (transaction) => {
      // The lock that puts writers in order.
      const [state] = await transaction.query<StorePosition>('select timeline, version from config_state for update');
      const before = state!.version;
      const at = this.#clock.now();
      const editing = new ConfigEdit(transaction, Math.floor(at / 1000));
      const result = await edit(editing);
      const changes = editing.changes;
      const version = changes.length > 0 ? before + 1 : before;
      if (changes.length > 0) await writeVersion(transaction, version, at, actor, request, changes);
      await insertAuditRequest(transaction, at, actor, request, before, version);
      return { result, version, changed: changes.length > 0 };
    });
  }
}

export type VaultKey = { id: string } | { prefix: string };

/** A change in the making. */
export class ConfigEdit {
  /** Seconds since 1970, whole: the updated_at of all that is put. */
  readonly nowSeconds: number;
  /** For reads beside the vaults. */
  readonly transaction: Queryable;
  readonly #before = new Map<string, VaultEntity | null>();
  readonly #after = new Map<string, VaultEntity | null>();

  constructor(transaction: Queryable, nowSeconds: number) {
    this.transaction = transaction;
    this.nowSeconds = nowSeconds;
  }

  find(key: VaultKey): Promise<VaultEntity | undefined> {
    return find(this.transaction, key);
  }

  all(): Promise<VaultEntity[]> {
    return this.transaction.query(`select ${COLUMNS} from vaults order by id`);
  }

  /**
   * Makes or replaces the vault of this id. One that is as it was, but for its updated_at, stays untouched.
   *
   * @returns the vault as it is now
   * @throws VaultConflict when another vault has its prefix
   */
  async put(vault: VaultEntity): Promise<VaultEntity> {
    const current = await this.find({ id: vault.id });
    if (current && canonicalJson({ ...current, updated_at: 0 }) === canonicalJson({ ...vault, updated_at: 0 })) {
      return current;
    }
    const other = await this.find({ prefix: vault.prefix });
    if (other && other.id !== vault.id) throw new VaultConflict('prefix', vault.prefix);
    await this.transaction.query(
      `insert into vaults (${COLUMNS}) values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8)
       on conflict (id) do update set prefix = $2, name = $3, description = $4, config = $5::jsonb, tags = $6,
         created_at = $7, updated_at = $8`,
      [
        ...[vault.id, vault.prefix, vault.name, vault.description, JSON.stringify(vault.config), vault.tags],
        ...[vault.created_at, vault.updated_at],
      ],
    );
    const stored = ordered(vault);
    this.#record(vault.id, current ?? null, stored);
    return stored;
  }

  /** @returns whether it was there */
  async delete(id: string): Promise<boolean> {
    const [gone] = await this.transaction.query<VaultEntity>(`delete from vaults where id = $1 returning ${COLUMNS}`, [
      id,
    ]);
    if (gone) this.#record(id, gone, null);
    return gone !== undefined;
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
        await this.transaction.query('update vaults set prefix = $2 where id = $1', [vault.id, `~${vault.id}`]);
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

async function writeVersion(
  transaction: Queryable,
  version: number,
  at: number,
  actor: Actor,
  request: WriteRequest,
  changes: ConfigEdit['changes'],
): Promise<void> {
  await transaction.query('update config_state set version = $1', [version]);
  await transaction.query('insert into config_versions (version, made_at, actor, action) values ($1, $2, $3, $4)', [
    version,
    new Date(at),
    actor.name,
    `${request.method} ${request.path}`,
  ]);
  await transaction.query(
    `insert into config_changes (version, vault_id, before, after)
     select $1, vault_id, before, after
     from jsonb_to_recordset($2::jsonb) as change (vault_id uuid, before jsonb, after jsonb)`,
    [version, JSON.stringify(changes.map(({ vaultId, before, after }) => ({ vault_id: vaultId, before, after })))],
  );
  await transaction.query('select pg_notify($1, $2)', [CONFIG_CHANNEL, String(version)]);
}

async function positionOf(database: Queryable): Promise<StorePosition> {
  const [state] = await database.query<StorePosition>('select timeline, version from config_state');
  return state!;
}

/** The members in the order in which they are read back. */
function ordered(vault: VaultEntity): VaultEntity {
  const { id, prefix, name, description, config, tags, created_at, updated_at } = vault;
  return { id, prefix, name, description, config, tags, created_at, updated_at };
}

async function find(database: Queryable, key: VaultKey): Promise<VaultEntity | undefined> {
  const [column, value] = 'id' in key ? ['id', key.id] : ['prefix', key.prefix];
  const [vault] = await database.query<VaultEntity>(`select ${COLUMNS} from vaults where ${column} = $1`, [value]);
  return vault;
}
