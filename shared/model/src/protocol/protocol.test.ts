import assert from 'node:assert/strict';
import { it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { diffSnapshots, makeSnapshot } from '../snapshots/snapshot.ts';
import type { VaultEntity } from '../vaults/entity.ts';
import {
  chooseProtocol,
  type DataPlaneMessage,
  decodeControlPlaneMessage,
  decodeDataPlaneMessage,
  deltaMessage,
  encodeForMany,
  encodeMessage,
  MAX_CONTROL_PLANE_MESSAGE_BYTES,
  snapshotMessage,
} from './protocol.ts';

const TIMELINE = '11111111-1111-4111-8111-111111111111';
const VAULT: VaultEntity = {
  id: '22222222-2222-4222-8222-222222222222',
  prefix: 'aws-sm-vault',
  name: 'of-a-later-release',
  description: null,
  config: { region: 'us-east-1', ttl: 0.5, allowed_role_arns: ['a'] },
  tags: ['a'],
  created_at: 1,
  updated_at: 2,
};

it('carries a snapshot and a delta whole, vaults of unknown types too', () => {
  const snapshot = makeSnapshot(TIMELINE, 3, [VAULT]);
  const delta = diffSnapshots(makeSnapshot(TIMELINE, 2, []), snapshot);
  for (const message of [snapshotMessage(snapshot), deltaMessage(delta)]) {
    assert.deepEqual(decodeControlPlaneMessage(encodeMessage(message)), message);
  }
});

it('refuses what is not MessagePack, no message, or a message of a wrong form', () => {
  const hello: DataPlaneMessage = {
    type: 'hello',
    protocols: [1],
    node_id: TIMELINE,
    hostname: 'h',
    program_version: '0.1.0',
    config: null,
    labels: {},
  };
  assert.deepEqual(decodeDataPlaneMessage(encodeMessage(hello)), hello);
  const wrong = [
    { ...hello, node_id: 'x' },
    { ...hello, config: {} },
    { ...hello, hostname: 'h'.repeat(2000) },
    [],
    null,
    7,
  ];
  for (const message of wrong) {
    assert.throws(() => decodeDataPlaneMessage(encodeMessage(message as never)), { name: 'ProtocolError' });
  }
  assert.throws(() => decodeDataPlaneMessage(Buffer.from([0xc1])), { name: 'ProtocolError' });
  assert.throws(() => decodeDataPlaneMessage(encodeMessage(snapshotMessage(makeSnapshot(TIMELINE, 1, [])))), {
    name: 'ProtocolError',
  });
});

it('chooses a protocol that both sides speak, or none', () => {
  assert.equal(chooseProtocol([2, 1]), 1);
  assert.equal(chooseProtocol([2]), undefined);
});

it('carries what a data plane holds by numbers, and refuses numbers and states that there are not', () => {
  const references: DataPlaneMessage = {
    type: 'references',
    names: [[0, 'aws', '{vault://aws/db/}']],
    held: [[0, 2, 'v-1', 1_700_000_000]],
    gone: [7],
    complete: true,
  };
  assert.deepEqual(decodeDataPlaneMessage(encodeMessage(references)), references);
  for (const wrong of [
    { ...references, held: [[0, 4, null, null]] },
    { ...references, held: [[100_000, 0, null, null]] },
    { ...references, held: [[0, 0, null]] },
    { ...references, names: Array.from({ length: 1001 }, () => [0, 'aws', 'x']) },
    { ...references, gone: [-1] },
  ]) {
    assert.throws(() => decodeDataPlaneMessage(encodeMessage(wrong as never)), { name: 'ProtocolError' });
  }
});

it('compresses what is large, to the same message, and refuses what is broken or too large inside', async () => {
  const many = Array.from({ length: 500 }, (_, index) => ({ ...VAULT, id: `${VAULT.id.slice(0, -4)}${1000 + index}` }));
  const message = snapshotMessage(makeSnapshot(TIMELINE, 3, many));
  const { bytes, compressed } = await encodeForMany(message);
  assert.ok(compressed && compressed.length < bytes.length / 5);
  assert.deepEqual(decodeControlPlaneMessage(compressed), message);
  assert.equal((await encodeForMany(snapshotMessage(makeSnapshot(TIMELINE, 3, [VAULT])))).compressed, undefined);

  const envelope = (inner: unknown) =>
    new Packr({ useRecords: false }).pack({ type: 'compressed', encoding: 'zstd', message: inner });
  const bomb = zstdCompressSync(Buffer.alloc(MAX_CONTROL_PLANE_MESSAGE_BYTES + 1));
  assert.ok(bomb.length < 100_000);
  for (const inner of [Buffer.from('no zstd'), bomb, 'text', zstdCompressSync(compressed)]) {
    assert.throws(() => decodeControlPlaneMessage(envelope(inner)), { name: 'ProtocolError' });
  }
  assert.throws(() => decodeDataPlaneMessage(compressed), { name: 'ProtocolError' });
});

it('lets members pass that a later release adds to a message', () => {
  const later = { ...snapshotMessage(makeSnapshot(TIMELINE, 1, [])), from_a_later_release: { x: 1 } };
  assert.deepEqual(decodeControlPlaneMessage(encodeMessage(later)), later);
});
