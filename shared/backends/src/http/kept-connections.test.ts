import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { parsePlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { wearConnections } from '@vaultplane/testkit/worn-connections.ts';
import { OWN } from '../backend.ts';
import { openPlace } from '../open-place.ts';
import { BARE_ENV, openAws } from '../testing/open-aws.ts';
import { openGcp } from '../testing/open-gcp.ts';

/** An environment whose AWS is reached by connections that die after one request. */
function worn(emulator: Emulator, port: number): NodeJS.ProcessEnv {
  return { ...BARE_ENV, ...emulator.environment, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
}
const portOf = (url: string) => Number(new URL(url).port);

describe('a kept connection that died while it was idle costs no call', () => {
  it('of AWS Secrets Manager, one after the other and at once', async () => {
    await using emulator = await startEmulator();
    await using way = await wearConnections(portOf(emulator.url));
    const names = Array.from({ length: 24 }, (_, index) => `db-${index}`);
    for (const name of names) emulator.putSecret('us-east-1', name, name);
    await using aws = await openAws(null, {}, { env: worn(emulator, way.port) });
    for (const name of names.slice(0, 3)) assert.equal(await aws.read(name), name);
    assert.deepEqual(await Promise.all(names.map((name) => aws.read(name))), names);
    assert.deepEqual(await Promise.all(names.map((name) => aws.read(name))), names);
    assert.ok(way.resets() >= 20, `${way.resets()} connections were used again`);
    assert.equal(aws.counts.errors, 0);
  });

  it('of STS', async () => {
    await using emulator = await startEmulator();
    await using way = await wearConnections(portOf(emulator.url));
    await using aws = await openAws(null, {}, { env: worn(emulator, way.port) });
    const config = { region: 'us-east-1' };
    for (let turn = 0; turn < 3; turn++) {
      const caller = await aws.backends.caller('aws', config, OWN);
      assert.match(caller?.arn ?? '', /^arn:aws:iam::/);
    }
    assert.ok(way.resets() >= 2, `${way.resets()} connections were used again`);
  });

  for (const service of ['EC2 instance metadata', 'container'] as const) {
    it(`of the credentials of ${service}`, async () => {
      await using emulator = await startEmulator();
      emulator.putSecret('us-east-1', 'db', 'one');
      emulator.setMachine({ imds: 'v2-only' });
      await using way = await wearConnections(portOf(emulator.imdsUrl));
      const base = `http://127.0.0.1:${way.port}`;
      const sources = {
        'EC2 instance metadata': {
          AWS_EC2_METADATA_DISABLED: undefined,
          AWS_EC2_METADATA_SERVICE_ENDPOINT: base,
        },
        container: {
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}${new URL(emulator.containerCredentialsUrl).pathname}`,
          AWS_CONTAINER_AUTHORIZATION_TOKEN: emulator.containerToken!,
        },
      };
      const { AWS_ENDPOINT_URL, AWS_REGION } = emulator.environment;
      const env = { ...BARE_ENV, AWS_ENDPOINT_URL, AWS_REGION, ...sources[service] };
      await using aws = await openAws(null, { region: 'us-east-1' }, { env });
      for (let turn = 0; turn < 3; turn++) {
        assert.equal(await aws.read('db'), 'one');
        // The credentials that are held are refused, so that others are fetched.
        const { accessKeyId } = emulator.calls({ operation: 'GetSecretValue' }).at(-1)!;
        emulator.expireCredentials(accessKeyId!);
        emulator.setMachine({});
      }
      assert.ok(way.resets() >= 2, `${way.resets()} connections were used again`);
    });
  }

  it('of Google', async () => {
    await using emulator = await startGcpEmulator();
    emulator.putSecret('db', 'one');
    await using way = await wearConnections(portOf(emulator.url));
    await using gcp = await openGcp(emulator, { endpoint_url: `http://127.0.0.1:${way.port}` });
    for (let turn = 0; turn < 3; turn++) assert.equal(await gcp.read('db'), 'one');
    assert.ok(way.resets() >= 2);
  });

  const exported = async (url: string, env: NodeJS.ProcessEnv, trusted: string[]) => {
    const deadlines = { connect: 20_000, total: 60_000 };
    const counts = { calls: 0, errors: 0, throttled: 0 };
    const context = { env, log: silentLog, trustedCertificates: trusted, deadlines, counts };
    const place = openPlace(parsePlaceUrl(url)!, { context });
    const signal = AbortSignal.timeout(60_000);
    for (const text of ['one', 'two', 'three']) {
      await place.write(Buffer.from(text), signal);
      assert.equal((await place.read(signal))?.toString(), text);
    }
    place.stop();
  };

  it('of an export to S3', async () => {
    await using emulator = await startEmulator();
    emulator.addBucket('configs');
    await using way = await wearConnections(portOf(emulator.url));
    await exported('s3://configs/config', worn(emulator, way.port), ['system']);
    assert.ok(way.resets() >= 5, `${way.resets()} connections were used again`);
  });

  it('of an export to an https URL', { skip: noCertificates }, async (t: TestContext) => {
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-worn-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const certificate = makeCertificate(folder, 'server', { names: ['127.0.0.1'] });
    const used = new WeakSet<object>();
    let document = Buffer.alloc(0);
    let resets = 0;
    const server = createServer(certificate, async (request, response) => {
      if (used.has(request.socket)) {
        resets++;
        return void request.socket.destroy();
      }
      used.add(request.socket);
      if (request.method === 'PUT') document = Buffer.concat(await request.toArray());
      response.end(request.method === 'PUT' ? '' : document);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    await exported(`https://127.0.0.1:${port}/config`, {}, [certificate.certFile]);
    assert.ok(resets >= 5, `${resets} connections were used again`);
  });
});
