import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { VaultEntity } from '../vaults/entity.ts';
import { applyDelta, changeSnapshot, checkSnapshot, diffSnapshots, makeSnapshot } from './snapshot.ts';

const TIMELINE = '11111111-1111-4111-8111-111111111111';

function vault(id: string, description: string | null = null): VaultEntity {
  return { id, prefix: `p-${id}`, name: 'aws', description, config: {}, tags: null, created_at: 1, updated_at: 1 };
}

it('hashes the same vaults alike, in whatever order they and their members come', () => {
  const a = makeSnapshot(TIMELINE, 1, [vault('a'), vault('b')]);
  const b = makeSnapshot(TIMELINE, 1, [vault('b'), Object.fromEntries(Object.entries(vault('a')).reverse()) as never]);
  assert.equal(a.hash, b.hash);
  assert.notEqual(a.hash, makeSnapshot(TIMELINE, 1, [vault('a')]).hash);
  assert.notEqual(a.hash, makeSnapshot(TIMELINE, 1, [vault('a'), vault('b', 'x')]).hash);
});

it('reaches any later snapshot by its delta', () => {
  const vaults = fc
    .dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.constantFrom(null, 'x', 'y'))
    .map((entries) => Object.entries(entries).map(([id, description]) => vault(id, description)));
  fc.assert(
    fc.property(vaults, vaults, (before, after) => {
      const old = makeSnapshot(TIMELINE, 4, before);
      const next = makeSnapshot(TIMELINE, 7, after);
      assert.deepEqual(applyDelta(old, diffSnapshots(old, next)), next);
    }),
  );
});

it('comes by changes to what it is made of at once, however often, and leaves each one before as it was', () => {
  const changes = fc.dictionary(
    fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    fc.oneof(fc.constant('gone'), fc.constantFrom(null, 'x', 'y')),
  );
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 6 }), (rounds) => {
      let snapshot = makeSnapshot(TIMELINE, 0, [vault('b'), vault('d', 'x')]);
      const vaults = new Map(snapshot.vaults.map((each) => [each.id, each]));
      const seen = [snapshot];
      for (const [index, round] of rounds.entries()) {
        const changed = new Map(
          Object.entries(round).map(([id, said]) => [id, said === 'gone' ? null : vault(id, said)]),
        );
        snapshot = changeSnapshot(snapshot, index + 1, changed);
        seen.push(snapshot);
        for (const [id, each] of changed) {
          if (each) vaults.set(id, each);
          else vaults.delete(id);
        }
        assert.deepEqual(snapshot, makeSnapshot(TIMELINE, index + 1, vaults.values()));
      }
      // Each is still what its hash says, and the newest is reached from it, by changes of it too.
      for (const each of seen) {
        assert.deepEqual(checkSnapshot(each), each);
        const delta = diffSnapshots(each, snapshot);
        assert.deepEqual(applyDelta(each, delta), snapshot);
        const known = new Map(each.vaults.map((one) => [one.id, JSON.stringify(one)]));
        for (const one of delta.upserts) assert.notEqual(known.get(one.id), JSON.stringify(one));
      }
    }),
  );
});

it('takes of a delta that has a vault twice the last, and of one that is deleted too the vault', () => {
  const one = makeSnapshot(TIMELINE, 1, [vault('a'), vault('b')]);
  const two = makeSnapshot(TIMELINE, 2, [vault('a', 'y'), vault('b')]);
  const delta = { ...diffSnapshots(one, two), upserts: [vault('a', 'x'), vault('a', 'y')], deletes: ['a'] };
  assert.deepEqual(applyDelta(one, delta), two);
});

it('refuses a delta for another version, another timeline or another content', () => {
  const one = makeSnapshot(TIMELINE, 1, [vault('a')]);
  const two = makeSnapshot(TIMELINE, 2, [vault('a', 'x')]);
  const delta = diffSnapshots(one, two);
  for (const wrong of [
    { ...delta, from: 2 },
    { ...delta, timeline: 'other' },
    { ...delta, upserts: [vault('a', 'y')] },
  ]) {
    assert.throws(() => applyDelta(one, wrong), { name: 'SnapshotMismatch' });
  }
  assert.throws(() => applyDelta(makeSnapshot(TIMELINE, 1, [vault('b')]), delta), { name: 'SnapshotMismatch' });
});

it('refuses a snapshot that was altered, or that has a prefix twice', () => {
  const snapshot = makeSnapshot(TIMELINE, 1, [vault('a')]);
  assert.deepEqual(checkSnapshot(snapshot), snapshot);
  assert.throws(() => checkSnapshot({ ...snapshot, vaults: [vault('a', 'x')] }), { name: 'SnapshotMismatch' });
  const twice = makeSnapshot(TIMELINE, 1, [vault('a'), { ...vault('b'), prefix: 'p-a' }]);
  assert.throws(() => checkSnapshot(twice), /two vaults of one prefix/);
  assert.throws(() => applyDelta(snapshot, { ...diffSnapshots(snapshot, twice), to: 2 }), /two vaults of one prefix/);
});
