import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { nextTurn } from '@vaultplane/platform/time/next-turn.ts';
import { positionOf } from './config-state.ts';
import type { Queryable } from './database.ts';
import type { VaultChange } from './vault-change.ts';
import type { StoredVault, VaultSealing } from './vault-sealing.ts';

// PGlite runs in this process: what one statement reads is bounded, however long the log is.
const MAX_CHANGES_A_READ = 500;
const MAX_CHANGES_COUNTED_A_READ = 2000;
const MAX_CHANGES_NAMED_A_READ = 5000;

/** So many vaults are named in a list of versions; the version itself has them all. */
const NAMED_IN_LIST = 10;
const HIGHEST_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

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

type Counts = Pick<ListedVersion, 'created' | 'updated' | 'deleted'>;
type VersionCounts = Counts & Pick<ListedVersion, 'vaults'>;
type StoredChange = { version: number; vaultId: string; before: StoredVault | null; after: StoredVault | null };
/** By which a change is found. */
type ChangeName = Pick<StoredChange, 'version' | 'vaultId'>;

/** The log of the configuration's changes, as it is kept: its oldest versions go. */
export class ConfigLog {
  readonly #database: Queryable;
  readonly #sealing: VaultSealing;

  constructor(database: Queryable, sealing: VaultSealing) {
    this.#database = database;
    this.#sealing = sealing;
  }

  /** Changes behind a version, up to another, in order; whole versions only. */
  async changes(after: number, upTo = Number.MAX_SAFE_INTEGER): Promise<ConfigChange[]> {
    const changes: ConfigChange[] = [];
    let last: ChangeName = { version: after, vaultId: HIGHEST_UUID };
    for (;;) {
      const rows = await this.#database.query<StoredChange>(
        `select version, vault_id as "vaultId", before, after from config_changes
         where (version, vault_id) > ($1::bigint, $2::uuid) and version <= $3
         order by version, vault_id limit ${MAX_CHANGES_A_READ}`,
        [last.version, last.vaultId, upTo],
      );
      for (const row of rows) {
        const { version, vaultId, before, after } = row;
        changes.push({ version, vaultId, before: this.#open(before), after: this.#open(after) });
      }
      if (rows.length < MAX_CHANGES_A_READ) return changes;
      last = rows.at(-1)!;
      await nextTurn();
    }
  }

  /** Versions, the newest first, those before `before` if given. */
  async versions(size: number, before?: number): Promise<ListedVersion[]> {
    const versions = await this.#database.query<ConfigVersion>(
      `select version, made_at, actor, action from config_versions
       where $2::bigint is null or version < $2 order by version desc limit $1`,
      [size, before ?? null],
    );
    const [newest, oldest] = [versions[0]?.version, versions.at(-1)?.version];
    const counts = newest === undefined ? new Map() : await this.#counts(oldest!, newest);
    const none = { created: 0, updated: 0, deleted: 0, vaults: [] };
    return versions.map((version) => ({ ...version, ...none, ...counts.get(version.version) }));
  }

  /** One version and what it changed; undefined where it is not, or no longer, kept. */
  async version(version: number): Promise<(ConfigVersion & { changes: VaultChange[] }) | undefined> {
    const [found] = await this.#database.query<ConfigVersion>(
      'select version, made_at, actor, action from config_versions where version = $1',
      [version],
    );
    return found && { ...found, changes: await this.changes(version - 1, version) };
  }

  /** Whether a version can be gone back to: there is or was one, and all that came after it is kept. */
  async reaches(version: number, within: Queryable): Promise<boolean> {
    const { version: newest } = await positionOf(within);
    if (version > newest) return false;
    const [kept] = await within.query<{ oldest: number | null }>('select min(version) as oldest from config_versions');
    return version >= (kept?.oldest ?? newest + 1) - 1;
  }

  /** What each vault was at a version (null: not there), of those that were changed behind it. */
  async undone(version: number, within: Queryable): Promise<Map<string, VaultEntity | null>> {
    const oldest = [...(await this.#oldestBehind(version, within))];
    const undone = new Map<string, VaultEntity | null>();
    for (let at = 0; at < oldest.length; at += MAX_CHANGES_A_READ) {
      const part = oldest.slice(at, at + MAX_CHANGES_A_READ);
      const rows = await within.query<Pick<StoredChange, 'vaultId' | 'before'>>(
        `select vault_id as "vaultId", before from config_changes
           join unnest($1::bigint[], $2::uuid[]) as wanted (version, vault_id) using (version, vault_id)`,
        [part.map(([, changedBy]) => changedBy), part.map(([vaultId]) => vaultId)],
      );
      for (const { vaultId, before } of rows) undone.set(vaultId, this.#open(before));
      await nextTurn();
    }
    return undone;
  }

  /** Vaults that were changed behind a version, each with the first version that did so. */
  async #oldestBehind(version: number, within: Queryable): Promise<Map<string, number>> {
    const oldest = new Map<string, number>();
    let last: ChangeName = { version, vaultId: HIGHEST_UUID };
    for (;;) {
      const rows = await within.query<ChangeName>(
        `select version, vault_id as "vaultId" from config_changes where (version, vault_id) > ($1::bigint, $2::uuid)
         order by version, vault_id limit ${MAX_CHANGES_NAMED_A_READ}`,
        [last.version, last.vaultId],
      );
      for (const row of rows) if (!oldest.has(row.vaultId)) oldest.set(row.vaultId, row.version);
      if (rows.length < MAX_CHANGES_NAMED_A_READ) return oldest;
      last = rows.at(-1)!;
      await nextTurn();
    }
  }

  /** What the versions from one to another did, but for those that did nothing. */
  async #counts(oldest: number, newest: number): Promise<Map<number, VersionCounts>> {
    const counts = new Map<number, VersionCounts>();
    let last: ChangeName = { version: oldest - 1, vaultId: HIGHEST_UUID };
    for (;;) {
      const rows = await this.#database.query<ChangeName & { kind: keyof Counts; prefix: string }>(
        `select version, vault_id as "vaultId", coalesce(after, before) ->> 'prefix' as prefix,
           case when before is null then 'created' when after is null then 'deleted' else 'updated' end as kind
         from config_changes where (version, vault_id) > ($1::bigint, $2::uuid) and version <= $3
         order by version, vault_id limit ${MAX_CHANGES_COUNTED_A_READ}`,
        [last.version, last.vaultId, newest],
      );
      for (const { version, kind, prefix } of rows) {
        const of = counts.get(version) ?? { created: 0, updated: 0, deleted: 0, vaults: [] };
        counts.set(version, of);
        of[kind]++;
        if (of.vaults.length < NAMED_IN_LIST || prefix < of.vaults.at(-1)!) {
          of.vaults = [...of.vaults, prefix].sort().slice(0, NAMED_IN_LIST);
        }
      }
      if (rows.length < MAX_CHANGES_COUNTED_A_READ) return counts;
      last = rows.at(-1)!;
      await nextTurn();
    }
  }

  #open(stored: StoredVault | null): VaultEntity | null {
    return stored && this.#sealing.open(stored);
  }
}
