import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { VaultEntity } from './vaults/entity.ts';

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
  return { timeline, version, hash: hashOf(sorted), vaults: sorted };
}

/**
 * Checks a snapshot that came from elsewhere.
 *
 * @throws SnapshotMismatch when its hash is not that of its vaults, or an id or prefix stands in it twice
 */
export function checkSnapshot(claimed: Snapshot): Snapshot {
  const made = makeSnapshot(claimed.timeline, claimed.version, claimed.vaults);
  if (made.hash !== claimed.hash) throw new SnapshotMismatch(`the hash of version ${claimed.version} is wrong`);
  for (const key of ['id', 'prefix'] as const) {
    if (new Set(made.vaults.map((vault) => vault[key])).size !== made.vaults.length) {
      throw new SnapshotMismatch(`version ${claimed.version} has two vaults of one ${key}`);
    }
  }
  return made;
}

/** What leads from `before` to `after`, both of one timeline. */
export function diffSnapshots(before: Snapshot, after: Snapshot): Delta {
  const old = new Map(before.vaults.map((vault) => [vault.id, vault]));
  const kept = new Set(after.vaults.map((vault) => vault.id));
  return {
    timeline: after.timeline,
    from: before.version,
    fromHash: before.hash,
    to: after.version,
    hash: after.hash,
    upserts: after.vaults.filter((vault) => {
      const was = old.get(vault.id);
      return !was || !digestOf(was).equals(digestOf(vault));
    }),
    deletes: [...old.keys()].filter((id) => !kept.has(id)),
  };
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
  const vaults = new Map(snapshot.vaults.map((vault) => [vault.id, vault]));
  for (const id of delta.deletes) vaults.delete(id);
  for (const vault of delta.upserts) vaults.set(vault.id, vault);
  return checkSnapshot({ timeline: delta.timeline, version: delta.to, hash: delta.hash, vaults: [...vaults.values()] });
}

/**
 * SHA-256 over the SHA-256 digests of each vault's canonical JSON, in order of id: a canonical encoding of the whole
 * whose cost after a change is one digest and a short hash, however many vaults there are.
 */
function hashOf(sorted: readonly VaultEntity[]): string {
  const hash = createHash('sha256');
  for (const vault of sorted) hash.update(digestOf(vault));
  return hash.digest('hex');
}

// Entities are immutable, so a digest holds for as long as its entity lives.
const digests = new WeakMap<VaultEntity, Buffer>();

function digestOf(vault: VaultEntity): Buffer {
  let digest = digests.get(vault);
  if (!digest) {
    digest = createHash('sha256').update(canonicalJson(vault)).digest();
    digests.set(vault, digest);
  }
  return digest;
}
