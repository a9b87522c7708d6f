import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ensureSharedCertificate } from '@vaultplane/control-plane/fleet/certificates.ts';
import { startTestControlPlane } from '@vaultplane/control-plane/testing/control-plane.ts';
import {
  CLUSTER_PATH,
  type ControlPlaneMessage,
  type DataPlaneMessage,
  decodeControlPlaneMessage,
  decodeDataPlaneMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { WebSocket, WebSocketServer } from 'ws';
import { startLinkedDataPlane } from './linked-data-plane.ts';
import { messagesFrom, transcripts } from './transcript.ts';

const recorded = transcripts();
it('the link of this release is recorded', () => assert.ok(recorded.length > 0));

for (const transcript of recorded) {
  const bytesFrom = (side: 'control_plane' | 'data_plane') =>
    messagesFrom(transcript, side).map(({ bytes }) => Buffer.from(bytes, 'base64'));

  describe(`the link as release ${transcript.release} spoke it`, () => {
    it('has every message that is said, so that its replay says something', () => {
      const types = new Set(transcript.messages.map(({ type }) => type));
      for (const type of [
        'hello',
        'welcome',
        'snapshot',
        'delta',
        'ack',
        'report',
        'references',
        'command',
        'command_result',
      ]) {
        assert.ok(types.has(type), type);
      }
    });

    it("is understood by this release's data plane: it applies what that control plane sent, and does what it was told", async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'vaultplane-protocol-'));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const files = await ensureSharedCertificate(folder);
      const tls = { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) };
      const server = createServer({ ...tls, ca: tls.cert, requestCert: true, minVersion: 'TLSv1.3' });
      const said: DataPlaneMessage[] = [];
      const played = bytesFrom('control_plane').map((bytes) => [decodeControlPlaneMessage(bytes), bytes] as const);
      const last = played.map(([message]) => message).findLast(({ type }) => type === 'delta') as Extract<
        ControlPlaneMessage,
        { type: 'delta' }
      >;
      const command = played.map(([message]) => message).find(({ type }) => type === 'command') as Extract<
        ControlPlaneMessage,
        { type: 'command' }
      >;
      const done = Promise.withResolvers<void>();
      new WebSocketServer({ server, path: CLUSTER_PATH }).on('connection', (link) => {
        link.on('close', (code) => done.reject(new Error(`the data plane closed the link: ${code}`)));
        link.on('message', (bytes: Buffer) => {
          const message = decodeDataPlaneMessage(bytes);
          said.push(message);
          if (message.type === 'hello') for (const [, recordedBytes] of played) link.send(recordedBytes);
          const acknowledged = said.some((one) => one.type === 'ack' && one.hash === last.hash);
          if (acknowledged && said.some((one) => one.type === 'command_result')) done.resolve();
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      t.after(() => {
        server.close();
        server.closeAllConnections();
      });
      const dp = await startLinkedDataPlane((server.address() as AddressInfo).port, files);
      t.after(() => dp.stop());
      await done.promise;
      const facts = dp.facts();
      assert.deepEqual(
        [facts.config.version, facts.config.hash, facts.config.source],
        [last.to, last.hash, 'control_plane'],
      );
      assert.equal(facts.control_plane.connected, true);
      assert.deepEqual(facts.rejected_vaults, []);
      assert.ok(!said.some(({ type }) => type === 'nack'));
      const result = said.find((message) => message.type === 'command_result');
      assert.deepEqual([result?.id, result?.status], [command.id, 'done']);
    });

    it("is understood by this release's control plane: it serves that data plane, and knows what it told", async (t) => {
      const cp = await startTestControlPlane();
      t.after(() => cp.stop());
      await cp.call('PUT', '/vaults/of-today', { name: 'env' });
      const link = new WebSocket(cp.clusterUrl, {
        cert: readFileSync(cp.certificateFile),
        key: readFileSync(cp.keyFile),
        rejectUnauthorized: false,
      });
      t.after(() => link.terminate());
      const said: ControlPlaneMessage[] = [];
      let wake = () => {};
      link.on('message', (bytes: Buffer) => {
        said.push(decodeControlPlaneMessage(bytes));
        wake();
      });
      await new Promise((resolve) => link.once('open', resolve));
      const until = async (type: ControlPlaneMessage['type']) => {
        while (!said.some((message) => message.type === type)) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      };
      const [hello, ...rest] = bytesFrom('data_plane');
      link.send(hello!);
      await until('snapshot');
      for (const bytes of rest) link.send(bytes);
      await cp.call('PUT', '/vaults/of-today', { name: 'env', description: 'changed' });
      await until('delta');
      assert.ok(!said.some(({ type }) => type === 'refuse'));

      const spoken = bytesFrom('data_plane').map((bytes) => decodeDataPlaneMessage(bytes));
      const hi = spoken.find((message) => message.type === 'hello')!;
      const ack = spoken.findLast((message) => message.type === 'ack')!;
      const report = spoken.findLast((message) => message.type === 'report')!;
      const listed = async () =>
        (await cp.call('GET', '/clustering/data-planes')).json.data.find(({ id }: { id: string }) => id === hi.node_id);
      while ((await listed())?.config_hash !== ack.hash) await cp.call('GET', '/');
      const row = await listed();
      assert.deepEqual([row.hostname, row.version, row.connected], [hi.hostname, transcript.release, true]);
      assert.deepEqual(row.references, report.references);
      const names = spoken.flatMap((message) => (message.type === 'references' ? message.names : []));
      const { data } = (await cp.call('GET', '/clustering/references')).json;
      for (const { reference } of data) assert.ok(names.some(([, , name]) => name === reference));
      assert.ok(data.length > 0);
    });
  });
}
