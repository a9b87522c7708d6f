import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  chooseProtocol,
  type DataPlaneMessage,
  decodeControlPlaneMessage,
  decodeDataPlaneMessage,
  deltaMessage,
  encodeMessage,
  snapshotMessage,
} from './protocol.ts';
import { diffSnapshots, makeSnapshot } from './snapshot.ts';
import type { VaultEntity } from './vaults/entity.ts';

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
