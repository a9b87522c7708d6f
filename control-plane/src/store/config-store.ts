import { randomUUID } from 'node:crypto';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Actor, WriteRequest } from './audit-log.ts';
import type { ConfigEdit } from './config-edit.ts';
import { type ConfigChange, ConfigLog, type ConfigVersion, type ListedVersion } from './config-log.ts';
import { positionOf, type StorePosition } from './config-state.ts';
import { type Changed, type ConfigCommit, ConfigWriter } from './config-writer.ts';
import type { Database, Queryable } from './database.ts';
import type { VaultKey } from './known-vaults.ts';
import type { VaultChange } from './vault-change.ts';
import { type StoredVault, VaultSealing, type WithheldVault } from './vault-sealing.ts';
import { allVaults, findVault, VAULT_COLUMNS } from './vaults-in-transaction.ts';

/** Versions that are kept where the settings say nothing else. */
export const VERSIONS_KEPT = 1000;

export interface StoredConfig extends StorePosition {
  vaults: VaultEntity[];
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
  readonly #sealing: VaultSealing;
  readonly #log: ConfigLog;
  readonly #writer: ConfigWriter;
  /** By which it knows its own notices. */
  readonly #notice = randomUUID();

  constructor(database: Database, clock: Clock, { keyring, versionsKept = VERSIONS_KEPT }: ConfigStoreOptions = {}) {
    this.#database = database;
    this.#sealing = new VaultSealing(keyring);
    this.#log = new ConfigLog(database, this.#sealing);
    this.#writer = new ConfigWriter({ database, clock, sealing: this.#sealing, versionsKept, notice: this.#notice });
  }

  /** @throws StartError where a vault has a credential, encrypted, and there is no keyring at all */
  async checkKeyring(): Promise<void> {
    if (this.#sealing.hasKeyring) return;
    const [sealed] = await this.#database.query<StoredVault>(
      `select ${VAULT_COLUMNS} from vaults where config @? '$.*.sealed' order by prefix limit 1`,
    );
    if (sealed) throw new StartError(this.#sealing.faultOf(sealed, 'names')!);
  }

  /** Those of the vaults, which this store has given, whose credentials can't be decrypted. */
  withheld(vaults: Iterable<VaultEntity>): WithheldVault[] {
    return this.#sealing.withheld(vaults);
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
  changesAfter(version: number): Promise<ConfigChange[]> {
    return this.#log.changes(version);
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
  versions(size: number, before?: number): Promise<ListedVersion[]> {
    return this.#log.versions(size, before);
  }

  /** One version and what it changed; undefined where it is not, or no longer, kept. */
  version(version: number): Promise<(ConfigVersion & { changes: VaultChange[] }) | undefined> {
    return this.#log.version(version);
  }

  /**
   * The vaults as they were at a version; undefined where there never was one, or what came after it is no longer kept.
   * Inside a change: give its edit's transaction.
   */
  async vaultsAt(version: number, within: Queryable = this.#database): Promise<VaultEntity[] | undefined> {
    if (!(await this.#log.reaches(version, within))) return undefined;
    const vaults = new Map((await allVaults(within, this.#sealing)).map((vault) => [vault.id, vault]));
    for (const [id, was] of await this.#log.undone(version, within)) {
      if (was) vaults.set(id, was);
      else vaults.delete(id);
    }
    // What it goes by may have been taken away while it was read.
    if (!(await this.#log.reaches(version, within))) return undefined;
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
    return this.#writer.change({ actor, request, expects, edit: { together: edit } });
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
    return this.#writer.change({ actor, request, expects: [], edit: { alone: edit } });
  }

  /**
   * Tells of each version that this store makes once it is committed, in their order and before whoever asked for the
   * change is told; with undefined where it is not known what was committed, if anything.
   */
  follow(follow: (commit: ConfigCommit | undefined) => void): () => void {
    return this.#writer.follow(follow);
  }

  /** Whether a notice on CONFIG_CHANNEL is of a version that this store has told its followers of, or will. */
  isOwn(notice: string): boolean {
    return notice === this.#notice;
  }
}
