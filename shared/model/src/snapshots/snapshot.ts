import { createHash } from 'node:crypto';
import { mapInTurns } from '@vaultplane/platform/time/next-turn.ts';
import type { VaultEntity } from '../vaults/entity.ts';
import { canonicalJson } from './canonical.ts';

/** Where a configuration stands: `version` counts changes within one life of the database, which is `timeline`. */
export interface ConfigPosition {
  /** UUID, made with the database and anew when a backup of it is restored. */
  timeline: string;
  /** 0 before the first change. */
  version: number;
  /** SHA-256 of the configuration, 64 hex digits. */
  hash: string;
}

/** The whole configuration at one version; immutable. */
export interface Snapshot extends ConfigPosition {
  /** In order of id. */
  vaults: readonly VaultEntity[];
  /**
   * Credentials are missing in it, or may be old, since it was kept outside of memory (sealed-snapshot.ts): it has a hash
   * of its own, and is not given out as what its control plane has.
   */
  partial?: true;
}

/** What turns one snapshot into a later one of the same timeline. */
export interface Delta {
  timeline: string;
  /** The version that it can be applied to. */
  from: number;
  fromHash: string;
  /** The version and hash that applying it gives. */
  to: number;
  hash: string;
  upserts: readonly VaultEntity[];
  /** Ids. */
  deletes: readonly string[];
}

/** What a delta gave is not what its sender has: the whole snapshot is needed. */
export class SnapshotMismatch extends Error {
  override readonly name = 'SnapshotMismatch';
}

/** A snapshot of these vaults, sorted and hashed. */
export function makeSnapshot(timeline: string, version: number, vaults: Iterable<VaultEntity>): Snapshot {
  const sorted = [...vaults].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { timeline, version, hash: hashOf(sorted, digestsOf(sorted)), vaults: sorted };
}

/**
 * The snapshot after some vaults have changed. What has not is neither sorted nor looked at again: it costs the changes,
 * and a copy and a hash of what is there already.
 *
 * @param changes by id; null: gone
 */
export function changeSnapshot(
  before: Snapshot,
  version: number,
  changes: ReadonlyMap<string, VaultEntity | null>,
): Snapshot {
  const old = before.vaults;
  const oldDigests = digests.get(old) ?? digestsOf(old);
  const vaults: VaultEntity[] = [];
  const newDigests = Buffer.allocUnsafe(oldDigests.length + DIGEST_BYTES * changes.size);
  let next = 0;
  const keepUntil = (end: number) => {
    oldDigests.copy(newDigests, vaults.length * DIGEST_BYTES, next * DIGEST_BYTES, end * DIGEST_BYTES);
    while (next < end) vaults.push(old[next++]!);
  };
  for (const id of [...changes.keys()].sort()) {
    keepUntil(firstFrom(old, id, next));
    if (old[next]?.id === id) next++;
    const vault = changes.get(id);
    if (vault) digestOf(vault).copy(newDigests, (vaults.push(vault) - 1) * DIGEST_BYTES);
  }
  keepUntil(old.length);
  const hash = hashOf(vaults, newDigests.subarray(0, vaults.length * DIGEST_BYTES));
  // What is changed next is mostly the later one; of the many before it nobody needs them.
  digests.delete(version > before.version ? old : vaults);
  return { timeline: before.timeline, version, hash, vaults };
}

/**
 * Checks a snapshot that came from elsewhere.
 *
 * @throws SnapshotMismatch when its hash is not that of its vaults, or an id or prefix stands in it twice
 */
export function checkSnapshot(claimed: Snapshot): Snapshot {
  return checked(makeSnapshot(claimed.timeline, claimed.version, claimed.vaults), claimed.hash);
}

function checked(made: Snapshot, claimedHash: string): Snapshot {
  if (made.hash !== claimedHash) throw new SnapshotMismatch(`the hash of version ${made.version} is wrong`);
  for (const key of ['id', 'prefix'] as const) {
    if (new Set(made.vaults.map((vault) => vault[key])).size !== made.vaults.length) {
      throw new SnapshotMismatch(`version ${made.version} has two vaults of one ${key}`);
    }
  }
  return made;
}

/** What leads from `before` to `after`, both of one timeline. */
export function diffSnapshots(before: Snapshot, after: Snapshot): Delta {
  const upserts: VaultEntity[] = [];
  const deletes: string[] = [];
  const [olds, vaults] = [before.vaults, after.vaults];
  let was = 0;
  let is = 0;
  // Both are in order of id, and what did not change is mostly the same object in both.
  for (;;) {
    while (was < olds.length && olds[was] === vaults[is]) {
      was++;
      is++;
    }
    const [old, vault] = [olds[was], vaults[is]];
    if (old?.id !== vault?.id) {
      if (vault === undefined || (old !== undefined && old.id < vault.id)) {
        deletes.push(old!.id);
        was++;
      } else {
        upserts.push(vault);
        is++;
      }
      continue;
    }
    if (old === undefined || vault === undefined) break;
    if (!digestOf(old).equals(digestOf(vault))) upserts.push(vault);
    was++;
    is++;
  }
  const { timeline, version: to, hash } = after;
  return { timeline, from: before.version, fromHash: before.hash, to, hash, upserts, deletes };
}

/**
 * The snapshot after a delta.
 *
 * @throws SnapshotMismatch when the delta belongs to another version or timeline, or does not give the hash it promises
 */
export function applyDelta(snapshot: Snapshot, delta: Delta): Snapshot {
  if (delta.timeline !== snapshot.timeline || delta.from !== snapshot.version || delta.fromHash !== snapshot.hash) {
    throw new SnapshotMismatch(`a delta from version ${delta.from} does not fit version ${snapshot.version}`);
  }
  const changes = new Map<string, VaultEntity | null>(delta.deletes.map((id) => [id, null]));
  for (const vault of delta.upserts) changes.set(vault.id, vault);
  return checked(changeSnapshot(snapshot, delta.to, changes), delta.hash);
}

const DIGEST_BYTES = 32;

// The digests of the vaults of a snapshot, one behind the other, for the snapshot that changes make of it.
const digests = new WeakMap<readonly VaultEntity[], Buffer>();

/**
 * SHA-256 over the SHA-256 digests of each vault's canonical JSON, in order of id: a canonical encoding of the whole
 * whose cost after a change is one digest and a short hash, however many vaults there are.
 */
function hashOf(sorted: readonly VaultEntity[], theirDigests: Buffer): string {
  digests.set(sorted, theirDigests);
  return createHash('sha256').update(theirDigests).digest('hex');
}

/** Does ahead, as long work, what most of the time of making a snapshot of these vaults goes to. */
export async function digestInTurns(vaults: Iterable<VaultEntity | null>): Promise<void> {
  await mapInTurns(vaults, (vault) => {
    if (vault) digestOf(vault);
  });
}

function digestsOf(sorted: readonly VaultEntity[]): Buffer {
  const all = Buffer.allocUnsafe(sorted.length * DIGEST_BYTES);
  for (const [index, vault] of sorted.entries()) digestOf(vault).copy(all, index * DIGEST_BYTES);
  return all;
}

// Entities are immutable, so a digest holds for as long as its entity lives.
const digestOfOne = new WeakMap<VaultEntity, Buffer>();

function digestOf(vault: VaultEntity): Buffer {
  let digest = digestOfOne.get(vault);
  if (!digest) {
    digest = createHash('sha256').update(canonicalJson(vault)).digest();
    digestOfOne.set(vault, digest);
  }
  return digest;
}

/** Where the first vault stands, from index `least` on, whose id is `id` or comes behind it. */
function firstFrom(sorted: readonly VaultEntity[], id: string, least: number): number {
  let most = sorted.length;
  while (least < most) {
    const middle = (least + most) >>> 1;
    if (sorted[middle]!.id < id) least = middle + 1;
    else most = middle;
  }
  return least;
}
