/**
 * Records a link between this release's own programs: `node test/protocol/record.ts`, before a release. The file is kept,
 * and every later release must understand both of its sides (compatibility.test.ts).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { startTestControlPlane } from '@vaultplane/control-plane/testing/control-plane.ts';
import { PROGRAM_VERSION } from '@vaultplane/control-plane/version.ts';
import {
  CLUSTER_PATH,
  decodeControlPlaneMessage,
  decodeDataPlaneMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { WebSocket, WebSocketServer } from 'ws';
import { startLinkedDataPlane } from './linked-data-plane.ts';
import { type RecordedMessage, type Transcript, transcriptFile } from './transcript.ts';

const messages: RecordedMessage[] = [];
const heard = (type: string, count = 1) => messages.filter((message) => message.type === type).length >= count;
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
};

const cp = await startTestControlPlane({ env: { VAULTPLANE_VAULT_AWS_REGION: 'eu-central-1' } });
await cp.call('PUT', '/vaults/recorded', { name: 'env', config: { prefix: 'RECORDED_', ttl: 0.5 }, tags: ['a', 'ä'] });
await cp.call('PUT', '/vaults/recorded-aws', { name: 'aws', config: { region: 'us-east-1', allowed_role_arns: [] } });

// Stands between the two, with the certificate of both.
const tls = { cert: readFileSync(cp.certificateFile), key: readFileSync(cp.keyFile) };
const relay = createServer({ ...tls, ca: tls.cert, requestCert: true, minVersion: 'TLSv1.3' });
new WebSocketServer({ server: relay, path: CLUSTER_PATH }).on('connection', (dataPlane) => {
  const controlPlane = new WebSocket(cp.clusterUrl, { ...tls, rejectUnauthorized: false });
  const opened = new Promise((resolve) => controlPlane.once('open', resolve));
  controlPlane.on('message', (bytes: Buffer) => {
    const { type } = decodeControlPlaneMessage(bytes);
    messages.push({ from: 'control_plane', type, bytes: bytes.toString('base64') });
    dataPlane.send(bytes);
  });
  dataPlane.on('message', async (bytes: Buffer) => {
    const { type } = decodeDataPlaneMessage(bytes);
    messages.push({ from: 'data_plane', type, bytes: bytes.toString('base64') });
    await opened;
    controlPlane.send(bytes);
  });
  dataPlane.on('close', () => controlPlane.terminate());
});
await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));

const dp = await startLinkedDataPlane((relay.address() as AddressInfo).port, {
  certificateFile: cp.certificateFile,
  keyFile: cp.keyFile,
  env: { RECORDED_SECRET: 'a value that is in no message' },
});
await until(() => heard('ack') && heard('report'));
await dp.resolve('{vault://recorded/secret}');
await dp.resolve('{vault://recorded/missing}');
await until(() => heard('references', 2));
await cp.call('PATCH', '/vaults/recorded', { description: 'changed' });
await until(() => heard('delta') && heard('ack', 2));
await cp.call('POST', '/vaults/recorded/refresh', { path: 'secret', spread_s: 0 });
await until(() => heard('command_result'));
// Large enough to go compressed.
await cp.call('PUT', '/vaults/recorded-large', { name: 'env', description: 'compressed '.repeat(2000) });
await until(() => heard('delta', 2) && heard('ack', 3));
await dp.stop();
relay.close();
relay.closeAllConnections();
await cp.stop();

const transcript: Transcript = { release: PROGRAM_VERSION, protocol: 1, messages };
const file = transcriptFile(PROGRAM_VERSION);
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify(transcript, null, 2)}\n`);
process.stdout.write(`${file}: ${messages.length} messages\n`);
