import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { ensureSharedCertificate } from '@vaultplane/control-plane/fleet/certificates.ts';
import {
  CLUSTER_PATH,
  type ControlPlaneMessage,
  decodeDataPlaneMessage,
  encodeMessage,
  type ReportMessage,
  snapshotMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { WebSocketServer } from 'ws';
import { startLinkedDataPlane } from './linked-data-plane.ts';

const TIMELINE = '11111111-1111-4111-8111-111111111111';
const vault = (id: number, prefix: string, name: string, config: Record<string, string>) => ({
  id: `22222222-2222-4222-8222-22222222222${id}`,
  ...{ prefix, name, config, description: null, tags: null, created_at: 1, updated_at: 1 },
});

it('a vault of a type that a later control plane has is reported, and the rest of its snapshot is in use', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-protocol-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = await ensureSharedCertificate(folder);
  const tls = { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) };
  const server = createServer({ ...tls, ca: tls.cert, requestCert: true, minVersion: 'TLSv1.3' });
  const snapshot = makeSnapshot(TIMELINE, 4, [
    vault(1, 'of-today', 'env', { prefix: 'OF_TODAY_' }),
    vault(2, 'of-tomorrow', 'conjur', { url: 'https://example.com' }),
  ]);
  const { timeline, version, hash } = snapshot;
  const welcome: ControlPlaneMessage = {
    ...{ type: 'welcome', protocol: 1, control_plane_id: TIMELINE, program_version: '9.0.0' },
    ...{ config: { timeline, version, hash }, defaults: {} },
  };
  const reported = Promise.withResolvers<ReportMessage>();
  let acknowledged = false;
  new WebSocketServer({ server, path: CLUSTER_PATH }).on('connection', (link) => {
    link.on('message', (bytes: Buffer) => {
      const message = decodeDataPlaneMessage(bytes);
      if (message.type === 'hello')
        for (const said of [welcome, snapshotMessage(snapshot)]) link.send(encodeMessage(said));
      if (message.type === 'ack') acknowledged = message.hash === hash;
      if (message.type === 'report' && message.rejected_vaults.length > 0) reported.resolve(message);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const env = { OF_TODAY_SECRET: 'a-value' };
  const dp = await startLinkedDataPlane((server.address() as AddressInfo).port, { ...files, env });
  t.after(() => dp.stop());
  const { rejected_vaults } = await reported.promise;
  assert.deepEqual(rejected_vaults, [{ prefix: 'of-tomorrow', reason: 'this build has no vaults of type conjur' }]);
  assert.ok(acknowledged);
  assert.deepEqual(dp.facts().rejected_vaults, rejected_vaults);
  assert.equal(((await dp.resolve('{vault://of-today/secret}')) as { value: string }).value, 'a-value');
  const { error } = (await dp.resolve('{vault://of-tomorrow/secret}')) as { error: { code: string; message: string } };
  assert.deepEqual(error.code, 'unknown_vault');
  assert.match(error.message, /no vaults of type conjur/);
});
