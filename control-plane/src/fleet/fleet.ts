import type {
  CommandMessage,
  CommandResultMessage,
  HelloMessage,
  ReferencesMessage,
  ReportMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import type { ConfigPosition } from '@vaultplane/model/snapshots/snapshot.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Database, DatabaseUnavailable } from '../store/database.ts';
import type { DataPlane } from './data-plane-facts.ts';
import { writePositions, writeRows } from './data-plane-rows.ts';
import type { Commanded } from './fleet-commands.ts';
import { MemoryBudget, type MemoryShare } from './memory-budget.ts';
import { type MemberReferences, ReferenceCensus } from './reference-census.ts';

/** How long a change may wait to be written: many data planes that change at once make one statement. */
const WRITE_DELAY_MS = 250;
/** And a millisecond more for each data plane, up to this. */
const LONGEST_WRITE_DELAY_MS = 5_000;
/** What other control planes have written is read for statuses at most this often, however many ask. */
const STATUSES_EVERY_MS = 1000;
/** How often the last_seen of the connected is written. */
const SEEN_EVERY_MS = 30_000;
/** A data plane that was written as connected and not seen for this long is not: its control plane is gone. */
const LOST_AFTER_MS = 3 * SEEN_EVERY_MS;
/** By the database's clock, since those of control planes may differ by more. */
const IS_WRITTEN = `written_at > now() - interval '${LOST_AFTER_MS} milliseconds'`;
/** How often rows of data planes that are gone for long are deleted. */
const PURGE_EVERY_MS = 60_000;

/**
 * Bytes, as they came, of what all data planes connected here say of themselves: of labels, counts by vault and vaults that
 * they could not use. In memory that is up to eight times as many.
 */
const MAX_TOLD_BYTES = 64 * 1024 * 1024;

/** While the database is away, so many data planes that have gone are still to be written; it will say of others that they are lost. */
const MAX_GONE_UNWRITTEN = 1000;

/** Of a data plane, what GET /clustering/status shows. */
export type DataPlaneStatus = Pick<DataPlane, 'id' | 'config_hash' | 'hostname' | 'ip' | 'last_seen' | 'connected'>;

/** What is known of a link beside what its hello says. */
export interface LinkFacts {
  ip: string | null;
  protocol: number;
  certExpiresAt: Date;
  /** Sends a command; undefined where the data plane knows none. */
  send?: ((message: CommandMessage) => void) | undefined;
  /** Of its hello. */
  bytes: number;
  /** Called when all data planes tell more than can be kept, and this one the most; it is to be closed. */
  exceeded: () => void;
}

/** Told of what has changed of a data plane: its position only, or whatever. */
type Changed = (what: 'position' | 'anything') => void;

/** A data plane that is connected to this control plane. */
export class Member implements Commanded {
  readonly row: DataPlane;
  readonly #references: MemberReferences;
  readonly #helloBytes: number;
  readonly #told: MemoryShare;
  readonly #send: LinkFacts['send'];
  readonly #changed: Changed;
  /** Commands that it has not answered yet, by id. */
  readonly #commands = new Map<string, (result: CommandResultMessage | undefined) => void>();

  constructor(
    row: DataPlane,
    {
      references,
      told,
      send,
      bytes,
    }: Pick<LinkFacts, 'send' | 'bytes'> & { references: MemberReferences; told: MemoryShare },
    changed: Changed,
  ) {
    this.row = row;
    this.#references = references;
    this.#helloBytes = bytes;
    this.#told = told;
    this.#send = send;
    this.#changed = changed;
    told.set(bytes);
  }

  acknowledged({ timeline, version, hash }: ConfigPosition): void {
    const { row } = this;
    row.config_timeline = timeline;
    row.config_version = version;
    row.config_hash = hash;
    row.sync_status = 'normal';
    this.#changed('position');
  }

  rejected(): void {
    this.row.sync_status = 'rejected';
    this.#changed('anything');
  }

  /** @param bytes of the message */
  reported({ references, rejected_vaults, vaults, cert_expires_at }: ReportMessage, bytes: number): void {
    this.#told.set(this.#helloBytes + bytes);
    if (this.#told.closed) return;
    // What else a later release may say of one is not kept: nothing here bounds it.
    const rejected = rejected_vaults.map(({ prefix, reason, grant }) => {
      return { prefix, reason, ...(grant !== undefined && { grant }) };
    });
    Object.assign(this.row, { references, rejected_vaults: rejected, vaults: vaults ?? [] });
    if (typeof cert_expires_at === 'number') this.row.cert_expires_at = cert_expires_at;
    this.#changed('anything');
  }

  /** @throws ProtocolError where it tells of more than can be kept */
  told(message: ReferencesMessage): void {
    this.#references.take(message);
  }

  command(message: CommandMessage): Promise<CommandResultMessage | undefined> | undefined {
    const send = this.#send;
    if (!send) return undefined;
    return new Promise((resolve) => {
      this.#commands.set(message.id, resolve);
      send(message);
    });
  }

  /** A result that nobody waits for any more is let be. */
  answered(result: CommandResultMessage): void {
    this.#commands.get(result.id)?.(result);
    this.#commands.delete(result.id);
  }

  /** Its link has ended, or another has taken its place. */
  left(): void {
    this.#references.leave();
    this.#told.close();
    for (const resolve of this.#commands.values()) resolve(undefined);
    this.#commands.clear();
  }
}

export interface FleetOptions {
  controlPlaneId: string;
  /** Deletes data planes that were not seen for longer than is wanted. */
  purge: () => Promise<void>;
  database: Database;
  clock: Clock;
  log: Log;
}

/**
 * The data planes: those connected here in memory, and all of them in the database, so that any control plane can
 * answer for the whole fleet.
 */
export class Fleet {
  /** What the data planes connected here hold. */
  readonly census = new ReferenceCensus();
  readonly #told = new MemoryBudget(MAX_TOLD_BYTES);
  readonly #options: FleetOptions;
  /** As they were read from the database, and when by the monotonic clock. */
  #statuses: { at: number; rows: Promise<DataPlaneStatus[]> } | undefined;
  /** By id; of two links of one id (a data plane that came back before its old link was missed) the newer. */
  readonly #members = new Map<string, Member>();
  #unwritten = new Map<string, DataPlane>();
  /** Those of which only the position has changed since they were written. */
  #moved = new Map<string, DataPlane>();
  #beingWritten: ReadonlyMap<string, DataPlane> = new Map();
  #cancelWrite: (() => void) | undefined;
  #cancelSeen: () => void = () => {};
  #writing: Promise<void> = Promise.resolve();
  #purgedAt = 0;
  /** The last write did not succeed. */
  #isFailing = false;

  private constructor(options: FleetOptions) {
    this.#options = options;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    // Whoever was connected when this control plane was last killed is not any more.
    await options.database.query('update data_planes set connected = false where connected and control_plane_id = $1', [
      options.controlPlaneId,
    ]);
    const fleet = new Fleet(options);
    fleet.#seeAgain();
    return fleet;
  }

  get connected(): number {
    return this.#members.size;
  }

  /** Those connected here. */
  get members(): Iterable<Member> {
    return this.#members.values();
  }

  /** Connected here, and not yet at this version. */
  behind(version: number): number {
    return [...this.#members.values()].filter(({ row }) => row.config_version !== version).length;
  }

  join(hello: HelloMessage, facts: LinkFacts): Member {
    const now = this.nowSeconds;
    const row: DataPlane = {
      id: hello.node_id,
      hostname: hello.hostname,
      ip: facts.ip,
      version: hello.program_version,
      config_hash: hello.config?.hash ?? null,
      sync_status: 'unknown',
      last_seen: now,
      config_version: hello.config?.version ?? null,
      config_timeline: hello.config?.timeline ?? null,
      connected: true,
      connected_at: now,
      control_plane_id: this.#options.controlPlaneId,
      protocol: facts.protocol,
      cert_expires_at: Math.floor(facts.certExpiresAt.getTime() / 1000),
      references: null,
      vaults: [],
      rejected_vaults: [],
      labels: hello.labels,
    };
    const parts = {
      ...facts,
      references: this.census.join(facts.exceeded),
      told: this.#told.open(facts.exceeded),
    };
    const member = new Member(row, parts, (what) => {
      row.last_seen = this.nowSeconds;
      if (this.#members.get(row.id) !== member) return;
      if (what === 'position') this.#writePosition(row);
      else this.#write(row);
    });
    this.#members.get(row.id)?.left();
    this.#members.set(row.id, member);
    this.#write(row);
    return member;
  }

  /** @param options.forget it is not listed any more */
  leave(member: Member, { forget = false }: { forget?: boolean } = {}): void {
    const { row } = member;
    member.left();
    if (this.#members.get(row.id) !== member) return;
    this.#members.delete(row.id);
    if (forget) {
      this.forget(row.id);
      return;
    }
    row.connected = false;
    row.last_seen = this.nowSeconds;
    if (this.#isFailing) {
      // Whoever comes and goes under ever other ids is not to fill the memory meanwhile.
      Object.assign(row, { vaults: [], rejected_vaults: [] });
      this.#unwritten.delete(row.id);
      this.#moved.delete(row.id);
      if (this.#unwritten.size >= this.#members.size + MAX_GONE_UNWRITTEN) return;
    }
    this.#write(row);
  }

  /** Every data plane that has a row, on whichever control plane; without the database those here. */
  async dataPlanes(): Promise<DataPlane[]> {
    const rows = await this.#stored<DataPlane>(
      `select id, hostname, ip, version, config_hash, sync_status, extract(epoch from last_seen)::integer as last_seen,
         config_version, config_timeline, connected and ${IS_WRITTEN} as connected,
         extract(epoch from connected_at)::integer as connected_at, control_plane_id, protocol,
         extract(epoch from cert_expires_at)::bigint as cert_expires_at, reference_counts as "references",
         coalesce(vault_counts, '[]') as vaults, coalesce(rejected_vaults, '[]') as rejected_vaults, labels
       from data_planes`,
    );
    return this.#withThoseHere(rows);
  }

  /** The same data planes, in few words and for little: what is not here may be as old as STATUSES_EVERY_MS. */
  async statuses(): Promise<DataPlaneStatus[]> {
    const now = this.#options.clock.monotonic();
    if (!this.#statuses || now - this.#statuses.at >= STATUSES_EVERY_MS) {
      const rows = this.#stored<DataPlaneStatus>(
        `select id, config_hash, hostname, ip, extract(epoch from last_seen)::integer as last_seen,
           connected and ${IS_WRITTEN} as connected
         from data_planes`,
      );
      this.#statuses = { at: now, rows };
      rows.catch(() => {
        this.#statuses = undefined;
      });
    }
    return this.#withThoseHere(await this.#statuses.rows);
  }

  #stored<T>(statement: string): Promise<T[]> {
    return this.#options.database.query<T>(statement).catch((error): T[] => {
      if (error instanceof DatabaseUnavailable) return [];
      throw error;
    });
  }

  /** What is here is newer than what was written. */
  #withThoseHere<T extends { id: string }>(stored: readonly T[]): Array<T | DataPlane> {
    const all = new Map<string, T | DataPlane>(stored.map((row) => [row.id, row]));
    for (const rows of [this.#beingWritten, this.#unwritten]) for (const row of rows.values()) all.set(row.id, row);
    for (const { row } of this.#members.values()) all.set(row.id, { ...row, last_seen: this.nowSeconds });
    return [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** One that is not connected here is not written again, so that its row can be deleted. */
  forget(id: string): void {
    if (this.#members.has(id)) return;
    this.#unwritten.delete(id);
    this.#moved.delete(id);
  }

  async stop(): Promise<void> {
    this.#cancelSeen();
    for (const member of [...this.#members.values()]) this.leave(member);
    this.#cancelWrite?.();
    await this.#flush();
  }

  #write(row: DataPlane): void {
    this.#unwritten.set(row.id, row);
    this.#moved.delete(row.id);
    this.#writeLater();
  }

  #writePosition(row: DataPlane): void {
    if (!this.#unwritten.has(row.id)) this.#moved.set(row.id, row);
    this.#writeLater();
  }

  /** A fleet that acknowledges a change is a row each: writing them must not be what a control plane is busy with. */
  #writeLater(): void {
    if (this.#cancelWrite) return;
    const delay = Math.min(WRITE_DELAY_MS + this.#members.size, LONGEST_WRITE_DELAY_MS);
    this.#cancelWrite = this.#options.clock.after(delay, () => void this.#flush());
  }

  #flush(): Promise<void> {
    this.#cancelWrite = undefined;
    this.#writing = this.#writing.then(() => this.#writeRows());
    return this.#writing;
  }

  /** The registry is for people to look at: where it can't be written, data planes are served all the same. */
  async #writeRows(): Promise<void> {
    if (this.#unwritten.size === 0 && this.#moved.size === 0) return;
    const { database, log, controlPlaneId } = this.#options;
    const [rows, moved] = [this.#unwritten, this.#moved];
    // What changes while it is being written is written again after it.
    this.#unwritten = new Map();
    this.#moved = new Map();
    this.#beingWritten = rows;
    try {
      if (rows.size > 0) await writeRows(database, [...rows.values()]);
      if (moved.size > 0) await writePositions(database, controlPlaneId, [...moved.values()]);
      // What was read before has them as they were.
      this.#statuses = undefined;
      this.#isFailing = false;
    } catch (error) {
      this.#isFailing = true;
      for (const row of rows.values()) if (!this.#unwritten.has(row.id)) this.#unwritten.set(row.id, row);
      for (const row of moved.values()) this.#moved.set(row.id, row);
      for (const id of this.#unwritten.keys()) this.#moved.delete(id);
      log.warn({ error: errorMessage(error) }, 'the registry of data planes could not be written');
    }
    this.#beingWritten = new Map();
  }

  #seeAgain(): void {
    this.#cancelSeen = this.#options.clock.after(SEEN_EVERY_MS, () => {
      for (const { row } of this.#members.values()) {
        row.last_seen = this.nowSeconds;
        this.#write(row);
      }
      // What could not be written before, of a data plane that is gone too.
      if (this.#unwritten.size > 0 || this.#moved.size > 0) this.#writeLater();
      void this.#purge();
      this.#seeAgain();
    });
  }

  async #purge(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now - this.#purgedAt < PURGE_EVERY_MS) return;
    this.#purgedAt = now;
    await this.#options.purge().catch((error) => {
      this.#options.log.debug({ error: errorMessage(error) }, 'data planes that are gone could not be deleted');
    });
  }

  /** Since 1970, as `last_seen`. */
  get nowSeconds(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }
}
