import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Actor, WriteRequest } from './audit-log.ts';
import { ConfigEdit } from './config-edit.ts';
import { MARKED_POSITION, type MarkedPosition, type StorePosition } from './config-state.ts';
import { type ConfigWrite, isLarge, type MadeChange, makeWay, prefixesGoOver, writeConfig } from './config-write.ts';
import { type Database, DatabaseUnavailable, type Queryable, sqlState } from './database.ts';
import { HeldVaults } from './held-vaults.ts';
import type { VaultKey } from './known-vaults.ts';
import type { VaultSealing } from './vault-sealing.ts';
import { PositionPassed, readerAt, readerIn, VaultsInTransaction } from './vaults-in-transaction.ts';

/** Changes that wait at the same time are made in one transaction, up to so many. */
const MOST_CHANGES_TOGETHER = 32;

/** What a transaction that changes the configuration begins with: the lock that puts writers in order. */
const LOCKED = { first: `select ${MARKED_POSITION} from config_state for update` };

/** One that waits for its turn. */
export interface Change<T> {
  actor: Actor;
  request: WriteRequest;
  /** What the edit will look at first, as far as that is known. */
  expects: readonly VaultKey[];
  /** Alone, it may read what it likes beside the vaults, and no other change shares its transaction. */
  edit:
    | { together: (edit: ConfigEdit) => Promise<T> }
    | { alone: (edit: ConfigEdit, transaction: Queryable) => Promise<T> };
}

/** What became of a change. */
export interface Changed<T> {
  result: T;
  version: number;
  changed: boolean;
}

/** What the writer has committed: it leads from the position to the version. */
export interface ConfigCommit {
  from: StorePosition;
  version: number;
  /** Each vault that differs now, by id; null where it is gone. */
  changed: ReadonlyMap<string, VaultEntity | null>;
}

interface WaitingChange extends Change<unknown> {
  resolve: (changed: Changed<unknown>) => void;
  reject: (error: unknown) => void;
}

/** What a run of edits came to. */
interface Run {
  made: MadeChange[];
  version: number;
  outcomes: Array<() => void>;
}

export interface ConfigWriterOptions {
  database: Database;
  clock: Clock;
  sealing: VaultSealing;
  versionsKept: number;
  /** What its NOTIFYs say. */
  notice: string;
}

/**
 * Makes changes of the configuration, those that come at the same time in one transaction. Where nobody else has written
 * since its last one, that is one statement, which goes by what is held of the vaults and is void where somebody has;
 * otherwise the transaction takes the writers' lock first.
 */
export class ConfigWriter {
  readonly #options: ConfigWriterOptions;
  readonly #followers = new Set<(commit: ConfigCommit | undefined) => void>();
  readonly #held = new HeldVaults();
  readonly #waiting: WaitingChange[] = [];
  #isChanging = false;
  /** Others write too: what goes by what is held would often be void. */
  #isShared = false;
  /** Nothing is left of versions up to `upTo`, as long as the database goes on from `at`. */
  #pruned = { timeline: '', at: 0, upTo: 0 };

  constructor(options: ConfigWriterOptions) {
    this.#options = options;
  }

  /** Whoever follows is told before whoever asked for the change is. Undefined: what was committed, if anything, is not known. */
  follow(follow: (commit: ConfigCommit | undefined) => void): () => void {
    this.#followers.add(follow);
    return () => this.#followers.delete(follow);
  }

  /** @throws what the edit throws, having changed nothing; what goes wrong in the database */
  change<T>(change: Change<T>): Promise<Changed<T>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...change, resolve, reject } as WaitingChange);
      if (!this.#isChanging) void this.#changeAll();
    });
  }

  /** Never rejects. */
  async #changeAll(): Promise<void> {
    this.#isChanging = true;
    while (this.#waiting.length > 0) {
      // PGlite answers without ever going back to the event loop: what has come in at the same time is read by then.
      await new Promise((resolve) => setImmediate(resolve));
      const together: WaitingChange[] = [];
      const take = () => {
        together.push(...this.#waiting.splice(0, this.#howManyMore(together)));
        return together;
      };
      try {
        if (!(await this.#commitAsHeld(take))) await this.#commitLocked(take);
      } catch (error) {
        // Also those for which it never began.
        if (together.length === 0) take();
        this.#held.forget();
        if (together.length === 1 || error instanceof DatabaseUnavailable) {
          for (const { reject } of together) reject(error);
        } else {
          // What the database does not take is of one of them, and nothing of any is left: each by itself.
          for (const change of together) await this.#commitLocked(() => [change]).catch(change.reject);
        }
        this.#tell(undefined);
      }
    }
    this.#isChanging = false;
  }

  #howManyMore(together: readonly WaitingChange[]): number {
    const all = [...together, ...this.#waiting];
    const alone = all.findIndex(({ edit }) => 'alone' in edit);
    const most = alone < 0 ? MOST_CHANGES_TOGETHER : Math.max(1, alone);
    return Math.max(0, Math.min(most, MOST_CHANGES_TOGETHER) - together.length);
  }

  /**
   * @param take gives the changes
   * @returns false where it takes the lock: then nothing is changed
   */
  async #commitAsHeld(take: () => readonly WaitingChange[]): Promise<boolean> {
    const { database, sealing } = this.#options;
    const from = this.#held.position;
    if (!from || this.#isShared || 'alone' in this.#waiting[0]!.edit) return false;
    const together = take();
    const vaults = new VaultsInTransaction(readerAt(from, database, sealing), this.#held.vaults);
    try {
      const run = await this.#run(together, vaults, from);
      const write = await this.#writeOf(from, run, vaults);
      if (prefixesGoOver(write.vaults) || isLarge(write)) return false;
      const to = await writeConfig(database, from, write, sealing);
      if (!to) throw new PositionPassed();
      this.#committed(from, to, write, run);
      return true;
    } catch (error) {
      if (!(error instanceof PositionPassed)) throw error;
      return false;
    }
  }

  /**
   * @param take gives the changes, once all other writers wait
   * @throws what went wrong in the database; then nothing is changed
   */
  async #commitLocked(take: () => readonly WaitingChange[]): Promise<void> {
    const { database, sealing } = this.#options;
    const settle = await database.transaction(async (transaction, [state]) => {
      // Those that came while the transaction waited for its turn are part of it.
      const together = take();
      const from = state as unknown as MarkedPosition;
      this.#isShared = this.#held.meet(from);
      const vaults = new VaultsInTransaction(readerIn(transaction, sealing), this.#held.vaults);
      const run = await this.#run(together, vaults, from, transaction);
      const write = await this.#writeOf(from, run, vaults);
      await makeWay(transaction, write.vaults);
      const to = write.made.length > 0 ? await writeConfig(transaction, from, write, sealing) : from;
      if (!to) throw new Error('the configuration was written while it was locked');
      return () => this.#committed(from, to, write, run);
    }, LOCKED);
    settle();
  }

  /** @throws PositionPassed, and what goes wrong in the database; what an edit throws is its outcome */
  async #run(
    together: readonly WaitingChange[],
    vaults: VaultsInTransaction,
    { version: newest }: StorePosition,
    transaction?: Queryable,
  ): Promise<Run> {
    const { clock, sealing } = this.#options;
    await vaults.expect(together.flatMap(({ expects }) => expects));
    const made: MadeChange[] = [];
    const outcomes: Array<() => void> = [];
    let version = newest;
    for (const { actor, request, edit, resolve, reject } of together) {
      const at = clock.now();
      const editing = new ConfigEdit(vaults, Math.floor(at / 1000), sealing);
      let result: unknown;
      try {
        result = await ('alone' in edit ? edit.alone(editing, transaction!) : edit.together(editing));
      } catch (error) {
        // After an error of the database nothing more can be done in the transaction.
        const isOfDatabase = sqlState(error) !== undefined || error instanceof DatabaseUnavailable;
        if (isOfDatabase || error instanceof PositionPassed) throw error;
        outcomes.push(() => reject(error));
        continue;
      }
      const changes = await editing.changes();
      vaults.accept(changes);
      const before = version;
      if (changes.length > 0) version++;
      const after = version;
      made.push({ at, actor, request, before, after, changes });
      outcomes.push(() => resolve({ result, version: after, changed: after > before }));
    }
    return { made, version, outcomes };
  }

  async #writeOf(from: StorePosition, { made, version }: Run, vaults: VaultsInTransaction): Promise<ConfigWrite> {
    const { versionsKept, notice } = this.#options;
    const { timeline, at, upTo } = this.#pruned;
    const pruned = timeline === from.timeline && at <= from.version ? upTo : 0;
    const goes = [pruned, Math.max(pruned, version - versionsKept)] as const;
    return { made, version, vaults: await vaults.touched(), goes, notice };
  }

  #committed(from: StorePosition, to: MarkedPosition, { vaults, goes }: ConfigWrite, { outcomes }: Run): void {
    this.#held.advance(to, vaults);
    if (to.version > from.version) {
      this.#pruned = { timeline: to.timeline, at: to.version, upTo: goes[1] };
      this.#tell({ from, version: to.version, changed: new Map(vaults.map(({ vaultId, after }) => [vaultId, after])) });
    }
    for (const settle of outcomes) settle();
  }

  #tell(commit: ConfigCommit | undefined): void {
    for (const follow of this.#followers) follow(commit);
  }
}
