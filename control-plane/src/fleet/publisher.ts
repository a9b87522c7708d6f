import {
  type ControlPlaneMessage,
  deltaMessage,
  type EncodedMessage,
  encodeForMany,
  snapshotMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import {
  type ConfigPosition,
  changeSnapshot,
  diffSnapshots,
  digestInTurns,
  makeSnapshot,
  type Snapshot,
} from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { RateLimit } from '@vaultplane/platform/rate-limit.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { ConfigStore } from '../store/config-store.ts';
import { CONFIG_CHANNEL } from '../store/config-write.ts';
import type { ConfigCommit } from '../store/config-writer.ts';
import type { Database } from '../store/database.ts';
import { renewTimeline } from '../store/timeline.ts';

/** How often the database is looked at even when no notification came. */
export const POLL_MS = 3000;
/** Snapshots of the last versions that are kept, so that a delta from one of them needs no database. */
const REMEMBERED_VERSIONS = 100;
/** A data plane that is further behind than this gets the whole snapshot. */
const LONGEST_DELTA_VERSIONS = 1000;
/** Deltas to one version that are kept encoded. */
const MOST_DELTAS = 1000;
/** Digests of so many vaults, and not fewer, are made in turns of the event loop of their own. */
const MANY_VAULTS = 500;
/** The delta of one step is made before anybody asks for it, unless the step has more changes than this. */
const LARGEST_READY_STEP = 100;

/** New timelines that data planes may bring about: a backup is seldom restored. */
const RENEWALS_AT_ONCE = 3;
const RENEWAL_EVERY_MS = 600_000;

/** Bytes to send, and where they take their reader. */
export interface Publication extends EncodedMessage {
  to: ConfigPosition;
}

/**
 * Holds the newest configuration, follows the database and what its own store commits, and encodes what data planes need:
 * each delta once, and the whole snapshot once a version, however many of them there are.
 */
export class Publisher {
  readonly #store: ConfigStore;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #followers = new Set<() => void>();
  /** Each sends the whole configuration to everybody: one data plane is not to have that done again and again. */
  readonly #renewals: RateLimit;
  #current: Snapshot;
  #position: ConfigPosition;
  #publishedAt: number;
  #history: Snapshot[] = [];
  #whole: Promise<Publication> | undefined;
  #deltas = new Map<string, Promise<Publication | undefined>>();
  /** The delta from the version before, where it is encoded. */
  #step: { from: ConfigPosition; publication: Publication } | undefined;
  #refreshing: Promise<void> | undefined;
  /** The look at the database, or the taking of commits, that is under way. */
  #round: Promise<void> | undefined;
  /** The database is to be looked at. */
  #again = false;
  /** What the store has told of, and no round has dealt with. */
  #commits: ConfigCommit[] = [];
  /** How many commits the store has told of, and how many of them rounds have dealt with. */
  #told = 0;
  #dealtWith = 0;
  #stopped = false;
  #unfollow: () => void = () => {};
  #unlisten: (() => Promise<void>) | undefined;
  #cancelPoll: () => void = () => {};
  #databaseError: string | undefined;

  private constructor(store: ConfigStore, database: Database, clock: Clock, log: Log, current: Snapshot) {
    this.#store = store;
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
    this.#current = current;
    this.#renewals = new RateLimit({ clock, atOnce: RENEWALS_AT_ONCE, everyMs: RENEWAL_EVERY_MS });
    this.#position = positionOf(current);
    this.#publishedAt = clock.monotonic();
    this.#history = [current];
  }

  static async start(options: { store: ConfigStore; database: Database; clock: Clock; log: Log }): Promise<Publisher> {
    const { store, database, clock, log } = options;
    const { timeline, version, vaults } = await store.load();
    const publisher = new Publisher(store, database, clock, log, makeSnapshot(timeline, version, vaults));
    publisher.#unfollow = store.follow((commit) => publisher.#hear(commit));
    publisher.#unlisten = await database.listen(CONFIG_CHANNEL, (notice) => {
      if (!store.isOwn(notice)) void publisher.refresh();
    });
    publisher.#poll();
    // What changed between the load and the listening.
    await publisher.refresh();
    return publisher;
  }

  get current(): Snapshot {
    return this.#current;
  }

  /** When the newest version was published here, on the clock's monotonic scale. */
  get publishedAt(): number {
    return this.#publishedAt;
  }

  get position(): ConfigPosition {
    return this.#position;
  }

  /** Why the database could not be read when it was last tried; undefined where it could. */
  get databaseError(): string | undefined {
    return this.#databaseError;
  }

  /** Calls `follow` after each change of `current`, until the returned function is called. */
  follow(follow: () => void): () => void {
    this.#followers.add(follow);
    return () => this.#followers.delete(follow);
  }

  /** The whole configuration, encoded and compressed once a version. */
  whole(): Promise<Publication> {
    this.#whole ??= publication(snapshotMessage(this.#current), this.#current);
    return this.#whole;
  }

  /** What `delta` gives, where that needs no wait; undefined says nothing. */
  readyDelta(from: ConfigPosition): Publication | undefined {
    const step = this.#step;
    return step && isSamePosition(step.from, from) ? step.publication : undefined;
  }

  /**
   * What leads from `from` to the newest version; undefined where only the whole snapshot does: another timeline, a
   * version that is too old, or one whose hash is not what ours was then.
   */
  async delta(from: ConfigPosition): Promise<Publication | undefined> {
    if (from.timeline !== this.#current.timeline || from.version >= this.#current.version) return undefined;
    const ready = this.readyDelta(from);
    if (ready) return ready;
    const key = `${from.version} ${from.hash}`;
    let delta = this.#deltas.get(key);
    if (!delta) {
      delta = this.#makeDelta(from, this.#current).catch((error) => {
        this.#log.warn({ error: errorMessage(error) }, 'a delta could not be made; the whole snapshot is sent');
        return undefined;
      });
      if (this.#deltas.size < MOST_DELTAS) this.#deltas.set(key, delta);
    }
    return delta;
  }

  /**
   * A data plane says that it has `theirs`. If that can't be, since it is of our timeline but of a version that we have
   * not reached, or that had another hash, then the database went back: a new timeline begins.
   */
  async compare(theirs: ConfigPosition, nodeId: string): Promise<void> {
    if (theirs.timeline !== this.#current.timeline || theirs.version < this.#current.version) return;
    await this.refresh();
    const { timeline, version, hash } = this.#current;
    if (theirs.timeline !== timeline || theirs.version < version) return;
    if (theirs.version === version && theirs.hash === hash) return;
    this.#log.warn(
      { node_id: nodeId, theirs, ours: this.position },
      'a data plane has another configuration than the database ever had: the database seems restored from a backup, a new timeline begins',
    );
    if (this.#renewals.take() > 0) {
      this.#log.warn({ node_id: nodeId }, 'timelines began too often: no new one begins for this data plane');
      return;
    }
    await renewTimeline(this.#database, timeline);
    await this.refresh();
  }

  /** Reads what is new in the database. Never throws: what can't be read now is read at the next poll. */
  refresh(): Promise<void> {
    this.#again = true;
    this.#refreshing ??= this.#refreshUntilQuiet();
    return this.#refreshing;
  }

  /** Until what the store has committed by now is published, or can't be. Never throws. */
  async caughtUp(): Promise<void> {
    const told = this.#told;
    while (this.#dealtWith < told && this.#round) await this.#round;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
    this.#unfollow();
    this.#followers.clear();
    await this.#unlisten?.().catch(() => {});
    await this.#refreshing;
  }

  #hear(commit: ConfigCommit | undefined): void {
    if (!commit) return void this.refresh();
    this.#told++;
    this.#commits.push(commit);
    this.#refreshing ??= this.#refreshUntilQuiet();
  }

  async #refreshUntilQuiet(): Promise<void> {
    while ((this.#again || this.#commits.length > 0) && !this.#stopped) {
      this.#round = this.#refreshOnce();
      await this.#round;
    }
    // In the same turn as the last look at them: what is told from now on begins another.
    this.#round = undefined;
    this.#refreshing = undefined;
  }

  async #refreshOnce(): Promise<void> {
    const told = this.#told;
    const own = this.#again ? undefined : this.#ownNews();
    // What is read from now on is of all of them.
    this.#commits = [];
    this.#again = false;
    try {
      if (own) await this.#change(own.version, own.changed);
      else await this.#readNews();
      if (this.#databaseError !== undefined) this.#log.info({}, 'the database can be read again');
      this.#databaseError = undefined;
    } catch (error) {
      if (this.#stopped) return;
      if (this.#databaseError === undefined) {
        this.#log.error(
          { error: errorMessage(error) },
          'the database can not be read; data planes keep what they have',
        );
      }
      this.#databaseError = errorMessage(error);
    } finally {
      this.#dealtWith = told;
    }
  }

  /**
   * What the store has committed since the newest version: whatever leads on from that is what the database has, and
   * needs no reading. Undefined where another has written between, or the database has gone back.
   */
  #ownNews(): { version: number; changed: ReadonlyMap<string, VaultEntity | null> } | undefined {
    const { timeline } = this.#current;
    let { version } = this.#current;
    const changed = new Map<string, VaultEntity | null>();
    for (const commit of this.#commits) {
      if (commit.from.timeline !== timeline || commit.from.version !== version) return undefined;
      for (const [id, after] of commit.changed) changed.set(id, after);
      version = commit.version;
    }
    return { version, changed };
  }

  async #readNews(): Promise<void> {
    const { timeline, version } = await this.#store.position();
    const current = this.#current;
    if (timeline === current.timeline && version === current.version) return;
    if (timeline !== current.timeline || version < current.version) return this.#load();

    const changes = await this.#store.changesAfter(current.version);
    const newest = changes.at(-1)?.version ?? current.version;
    // The log has every version; where it has not, it is not the log of what we have.
    if (new Set(changes.map((change) => change.version)).size !== newest - current.version || newest < version) {
      return this.#load();
    }
    await this.#change(newest, new Map(changes.map(({ vaultId, after }) => [vaultId, after])));
  }

  async #change(version: number, changed: ReadonlyMap<string, VaultEntity | null>): Promise<void> {
    if (changed.size > MANY_VAULTS) await digestInTurns(changed.values());
    const current = this.#current;
    const next = changeSnapshot(current, version, changed);
    // Encoded before it is told of, so that it goes out to all in one turn.
    const step = changed.size <= LARGEST_READY_STEP ? await deltaPublication(current, next) : undefined;
    this.#publish(next, step && { from: positionOf(current), publication: step });
  }

  async #load(): Promise<void> {
    const { timeline, version, vaults } = await this.#store.load();
    const back = timeline === this.#current.timeline && version < this.#current.version;
    if (!back) {
      await digestInTurns(vaults);
      return this.#publish(makeSnapshot(timeline, version, vaults));
    }
    this.#log.warn(
      { had: this.#current.version, has: version },
      'the database went back to an earlier version: a new timeline begins',
    );
    await renewTimeline(this.#database, timeline);
    this.#again = true;
  }

  #publish(snapshot: Snapshot, step?: { from: ConfigPosition; publication: Publication }): void {
    if (snapshot.timeline !== this.#current.timeline) this.#history = [];
    this.#current = snapshot;
    this.#position = step?.publication.to ?? positionOf(snapshot);
    this.#publishedAt = this.#clock.monotonic();
    this.#history = [...this.#history.slice(1 - REMEMBERED_VERSIONS), snapshot];
    this.#whole = undefined;
    this.#deltas = new Map();
    this.#step = step;
    this.#log.info(
      { version: snapshot.version, hash: snapshot.hash, vaults: snapshot.vaults.length },
      'a new version of the configuration',
    );
    for (const follow of [...this.#followers]) follow();
  }

  async #makeDelta(from: ConfigPosition, target: Snapshot): Promise<Publication | undefined> {
    const base = this.#history.find(({ version }) => version === from.version) ?? (await this.#rebuild(from, target));
    if (base?.hash !== from.hash) return undefined;
    return deltaPublication(base, target);
  }

  /** The snapshot at a version before those remembered, from the log. */
  async #rebuild(from: ConfigPosition, target: Snapshot): Promise<Snapshot | undefined> {
    if (target.version - from.version > LONGEST_DELTA_VERSIONS) return undefined;
    const changes = (await this.#store.changesAfter(from.version)).filter(({ version }) => version <= target.version);
    // The first change behind that version tells what a vault was.
    const undone = new Map(changes.reverse().map(({ vaultId, before }) => [vaultId, before]));
    await digestInTurns(undone.values());
    return changeSnapshot(target, from.version, undone);
  }

  #poll(): void {
    this.#cancelPoll = this.#clock.after(POLL_MS, () => {
      void this.refresh().then(() => {
        if (!this.#stopped) this.#poll();
      });
    });
  }
}

async function publication(message: ControlPlaneMessage, to: Snapshot): Promise<Publication> {
  return { ...(await encodeForMany(message)), to: positionOf(to) };
}

function deltaPublication(base: Snapshot, target: Snapshot): Promise<Publication> {
  return publication(deltaMessage(diffSnapshots(base, target)), target);
}

export function isSamePosition(a: ConfigPosition, b: ConfigPosition): boolean {
  return a === b || (a.version === b.version && a.hash === b.hash && a.timeline === b.timeline);
}

function positionOf({ timeline, version, hash }: Snapshot): ConfigPosition {
  return { timeline, version, hash };
}
