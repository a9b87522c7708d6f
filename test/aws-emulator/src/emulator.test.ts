import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { fromHttp } from '@aws-sdk/credential-providers';
import { startEmulator } from './emulator.ts';
import { secretsClient, stsClient } from './sdk-clients.ts';

/** A certificate for 127.0.0.1, made by openssl; null where there is none. */
function selfSigned(): { cert: string; key: string } | null {
  const folder = mkdtempSync(join(tmpdir(), 'aws-emulator-tls-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=emulator', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  try {
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const tls = selfSigned();

describe('an emulator', () => {
  it('stops with idle and half-sent connections open, and may be stopped twice', async () => {
    const emulator = await startEmulator();
    const { port } = emulator.address;
    const idle = connect(port, '127.0.0.1');
    const halfSent = connect(port, '127.0.0.1', () => {
      halfSent.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf');
    });
    for (const socket of [idle, halfSent]) socket.on('error', () => {});
    await Promise.all([once(idle, 'connect'), once(halfSent, 'connect')]);
    await fetch(`${emulator.url}/_emulator/health`);
    const closed = Promise.all([once(idle, 'close'), once(halfSent, 'close')]);
    await emulator.stop();
    await closed;
    await emulator.stop();
    await assert.rejects(fetch(`${emulator.url}/_emulator/health`));
  });

  it('comes back on the same port with its secrets after an outage', async () => {
    await using emulator = await startEmulator();
    emulator.putSecret('us-east-1', 's', 'v');
    const client = secretsClient(emulator);
    const read = () => client.send(new GetSecretValueCommand({ SecretId: 's' }));
    await read();
    const { url } = emulator;
    await emulator.stop();
    // Reset where the SDK tries the connection that it had kept, refused where it makes a new one.
    await assert.rejects(read(), { code: /^ECONN(RESET|REFUSED)$/ });
    await emulator.start();
    assert.equal(emulator.url, url);
    assert.equal((await read()).SecretString, 'v');
    client.destroy();
  });

  it('rejects a port that is taken, and leaves nothing behind', async () => {
    await using first = await startEmulator();
    await assert.rejects(startEmulator({ port: first.address.port }), { code: 'EADDRINUSE' });
  });

  it('keeps nothing of another emulator', async () => {
    await using first = await startEmulator();
    await using second = await startEmulator();
    first.putSecret('us-east-1', 's', 'v');
    assert.equal(second.describeSecret('us-east-1', 's'), null);
  });

  it('takes credentials, principals, roles and secrets to begin with', async () => {
    await using emulator = await startEmulator({
      credentials: { accessKeyId: 'AKIAMYOWN00000000000', secretAccessKey: 'my-own' },
      region: 'eu-west-2',
      roles: [{ arn: 'arn:aws:iam::210987654321:role/path/far', policy: [{ effect: 'allow', actions: ['*'] }] }],
    });
    assert.equal(emulator.environment.AWS_ACCESS_KEY_ID, 'AKIAMYOWN00000000000');
    const credentials = emulator.issueCredentials('arn:aws:iam::210987654321:role/path/far', 'near');
    const identity = await stsClient(emulator, { credentials }).send(new GetCallerIdentityCommand({}));
    assert.equal(identity.Arn, 'arn:aws:sts::210987654321:assumed-role/far/near');
    assert.equal(identity.Account, '210987654321');
    emulator.putSecret('eu-west-2', 's', Buffer.from([0, 255]));
    const client = secretsClient(emulator);
    const { SecretBinary } = await client.send(new GetSecretValueCommand({ SecretId: 's' }));
    assert.deepEqual([...SecretBinary!], [0, 255]);
    client.destroy();
  });

  it('serves a thousand concurrent reads and counts each', async () => {
    await using emulator = await startEmulator();
    emulator.putSecret('us-east-1', 's', 'v');
    const client = secretsClient(emulator);
    await Promise.all(Array.from({ length: 1000 }, () => client.send(new GetSecretValueCommand({ SecretId: 's' }))));
    assert.deepEqual(emulator.counts(), { GetSecretValue: 1000 });
    client.destroy();
  });

  it('refuses requests above a megabyte', async () => {
    await using emulator = await startEmulator();
    const answer = fetch(emulator.url, { method: 'POST', body: Buffer.alloc(3_000_000) });
    // The answer may be lost: the connection closes while the rest is still being sent.
    const status = await answer.then(
      (response) => response.status,
      () => 413,
    );
    assert.equal(status, 413);
  });

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
  it('keeps its control API to this machine when it serves others', {
    skip: outside === undefined ? 'this machine has no address but loopback' : false,
  }, async () => {
    await using emulator = await startEmulator({ host: '0.0.0.0' });
    const { port } = emulator.address;
    assert.equal((await fetch(`http://${outside}:${port}/_emulator/health`)).status, 403);
    assert.equal((await fetch(`http://127.0.0.1:${port}/_emulator/health`)).status, 200);
    assert.equal((await fetch(`http://${outside}:${port}/latest/meta-data/instance-id`)).status, 200);
    await using open = await startEmulator({ host: '0.0.0.0', remoteControl: true });
    assert.equal((await fetch(`http://${outside}:${open.address.port}/_emulator/health`)).status, 200);
  });

  it('serves Secrets Manager over TLS and metadata beside it without', {
    skip: tls === null ? 'openssl, which makes the certificate, is not installed' : false,
  }, async () => {
    await using emulator = await startEmulator({ tls: tls! });
    assert.match(emulator.url, /^https:/);
    assert.match(emulator.imdsUrl, /^http:/);
    const credentials = await fromHttp({
      awsContainerCredentialsFullUri: emulator.containerCredentialsUrl,
      awsContainerAuthorizationToken: emulator.containerToken!,
    })();
    emulator.putSecret('us-east-1', 's', 'over TLS');
    const client = new SecretsManagerClient({
      region: 'us-east-1',
      endpoint: emulator.url,
      credentials,
      requestHandler: { httpsAgent: new Agent({ ca: tls!.cert }) },
    });
    assert.equal((await client.send(new GetSecretValueCommand({ SecretId: 's' }))).SecretString, 'over TLS');
    client.destroy();
  });
});
