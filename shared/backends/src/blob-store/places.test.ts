import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { parsePlaceUrl, printPlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import type { BackendContext } from '../backend.ts';
import { openPlace } from '../open-place.ts';
import { LARGEST_DOCUMENT_BYTES } from './place.ts';

const DOCUMENT = Buffer.from([0, 1, 254, 255, 10]);

function contextOf(changes: Partial<BackendContext> = {}): BackendContext {
  return {
    env: {},
    log: silentLog,
    trustedCertificates: ['system'],
    deadlines: { connect: 5000, total: 30_000 },
    counts: { calls: 0, errors: 0, throttled: 0 },
    ...changes,
  };
}
const signal = () => AbortSignal.timeout(30_000);
const placeAt = (url: string, changes?: Partial<BackendContext>) =>
  openPlace(parsePlaceUrl(url)!, { context: contextOf(changes) });

describe('the URL of a place', () => {
  it('is a file, an https URL or an S3 object, and nothing else', () => {
    assert.deepEqual(parsePlaceUrl('file:///var/lib/a%20b/config'), { scheme: 'file', path: '/var/lib/a b/config' });
    assert.deepEqual(parsePlaceUrl('s3://my.bucket/a/b c'), { scheme: 's3', bucket: 'my.bucket', key: 'a/b c' });
    assert.equal(parsePlaceUrl('https://host:8443/a?x=1')?.scheme, 'https');
    for (const wrong of [
      ...['file://host/path', 'file:relative', 'file:///', 'file:///dir/', 'file:///a?b', 'http://host/a', 'https://'],
      ...['s3://bucket', 's3://bucket/', 's3:///key', 's3://UPPER/key', 'ftp://host/a', '/a/path', '', 'https://h/#x'],
    ]) {
      assert.equal(parsePlaceUrl(wrong), undefined, wrong);
    }
  });

  it('is shown without what may be secret in it', () => {
    const shown = printPlaceUrl(parsePlaceUrl('https://me:canary@host/path?X-Amz-Signature=canary')!);
    assert.equal(shown, 'https://host/path');
  });
});

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-place-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is read and replaced, and others of the machine may read it', async () => {
    const path = join(folder, 'a config');
    const place = placeAt(`file://${path.replaceAll(' ', '%20')}`);
    assert.equal(await place.read(signal()), undefined);
    await place.write(Buffer.from('before'), signal());
    await place.write(DOCUMENT, signal());
    assert.deepEqual(await place.read(signal()), DOCUMENT);
    assert.equal(statSync(path).mode & 0o777, 0o644);
    assert.deepEqual(readdirSync(folder), ['a config']);
  });

  it('is never half there, whoever writes at the same time', async () => {
    const path = join(folder, 'contested');
    const places = [1, 2].map(() => openPlace(parsePlaceUrl(`file://${path}`)!, { context: contextOf() }));
    const documents = ['1', '2'].map((text) => Buffer.from(text.repeat(200_000)));
    await places[0]!.write(documents[0]!, signal());
    let writing = true;
    const written = Promise.all(
      places.map(async (place, index) => {
        for (let round = 0; round < 20; round++) await place.write(documents[index]!, signal());
      }),
    ).finally(() => {
      writing = false;
    });
    while (writing) {
      const read = readFileSync(path);
      assert.ok(documents.some((document) => document.equals(read)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await written;
  });

  it('behind a link is replaced, also where it is not there yet, and the link stays', async () => {
    const [link, target] = [join(folder, 'link'), join(folder, 'target')];
    symlinkSync('target', link);
    await placeAt(`file://${link}`).write(DOCUMENT, signal());
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.deepEqual(readFileSync(target), DOCUMENT);
  });

  it('that is a pipe is neither replaced nor waited for', async () => {
    const path = join(folder, 'pipe');
    spawnSync('mkfifo', [path]);
    const place = placeAt(`file://${path}`);
    await assert.rejects(place.write(DOCUMENT, signal()), {
      name: 'PlaceError',
      message: /pipe is a pipe, which no file/,
    });
    await assert.rejects(place.read(signal()), { name: 'PlaceError', message: /it is a pipe, not a regular file/ });
    assert.ok(lstatSync(path).isFIFO());
  });

  it('that can not be read or written is told in one line', async () => {
    await assert.rejects(placeAt(`file://${folder}/no/such`).write(DOCUMENT, signal()), {
      name: 'PlaceError',
      message: `file://${folder}/no/such: ENOENT`,
    });
    await assert.rejects(placeAt(`file://${folder}`).read(signal()), {
      name: 'PlaceError',
      message: /it is a folder, not a regular file/,
    });
  });
});

describe('an https URL', { skip: noCertificates }, () => {
  let folder: string;
  let certificate: TestCertificate;
  let server: Server;
  let url: string;
  const stored = new Map<string, Buffer>();
  const seen: Array<{ method?: string | undefined; url?: string | undefined; authorization?: string | undefined }> = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-https-'));
    certificate = makeCertificate(folder, 'server', { names: ['127.0.0.1'] });
    server = createServer(certificate, async (request, response) => {
      seen.push({ method: request.method, url: request.url, authorization: request.headers.authorization });
      const path = request.url!.split('?')[0]!;
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      if (path === '/silent') return;
      if (path === '/denied') return void response.writeHead(403).end('canary');
      if (path === '/endless') {
        response.writeHead(200);
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(1024 * 1024)));
        };
        response.on('drain', more);
        return more();
      }
      if (request.method === 'PUT') stored.set(path, Buffer.concat(chunks));
      const body = stored.get(path);
      response.writeHead(body ? 200 : 404).end(request.method === 'PUT' ? '' : body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server?.closeAllConnections();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const trusting = () => ({ trustedCertificates: [certificate.certFile] });

  it('is read by GET and written by PUT, its query and its user with it', async () => {
    const place = placeAt(`${url.replace('https://', 'https://me:p%40ss@')}/config?X-Amz-Signature=s`, trusting());
    assert.equal(await place.read(signal()), undefined);
    await place.write(DOCUMENT, signal());
    assert.deepEqual(await place.read(signal()), DOCUMENT);
    const authorization = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    assert.deepEqual(seen.at(-1), { method: 'GET', url: '/config?X-Amz-Signature=s', authorization });
    place.stop();
  });

  it('that answers with an error, not at all, without end or by another certificate is told so, without a secret', async () => {
    const at = (path: string, context: Partial<BackendContext> = trusting()) =>
      placeAt(`${url}${path}?token=canary`, context);
    const told = async (work: Promise<unknown>) => {
      const error = (await work.catch((thrown: unknown) => thrown)) as Error;
      assert.equal(error.name, 'PlaceError');
      assert.doesNotMatch(error.message, /canary/);
      return error.message.slice(url.length);
    };
    assert.equal(await told(at('/denied').read(signal())), '/denied: it answered HTTP 403');
    assert.equal(await told(at('/denied').write(DOCUMENT, signal())), '/denied: it answered HTTP 403');
    const soon = new AbortController();
    const silent = told(at('/silent').read(soon.signal));
    while (seen.at(-1)?.url !== '/silent?token=canary') await new Promise((resolve) => setImmediate(resolve));
    soon.abort();
    assert.equal(await silent, '/silent: no answer in time');
    assert.equal(await told(at('/endless').read(signal())), `/endless: is larger than ${LARGEST_DOCUMENT_BYTES} bytes`);
    assert.match(await told(at('/config', {}).read(signal())), /^\/config: (DEPTH_ZERO_)?SELF_SIGNED_CERT/);
  });
});

describe('an object in S3', () => {
  it('is read and written by the credentials that the program finds', async (t) => {
    const emulator = await startEmulator();
    t.after(() => emulator.stop());
    const context = { env: emulator.environment };
    const place = placeAt('s3://configs/a folder/config', context);
    await assert.rejects(place.write(DOCUMENT, signal()), {
      name: 'PlaceError',
      message: /^s3:\/\/configs\/a folder\/config: .*NoSuchBucket/,
    });
    emulator.addBucket('configs');
    assert.equal(await place.read(signal()), undefined);
    await place.write(DOCUMENT, signal());
    assert.deepEqual(emulator.object('configs', 'a folder/config'), DOCUMENT);
    assert.deepEqual(await place.read(signal()), DOCUMENT);

    emulator.addPrincipal({
      name: 'nobody',
      accessKeyId: 'AKIANOBODY0000000000',
      secretAccessKey: 'canary',
      policy: [],
    });
    const nobody = {
      ...emulator.environment,
      AWS_ACCESS_KEY_ID: 'AKIANOBODY0000000000',
      AWS_SECRET_ACCESS_KEY: 'canary',
    };
    await assert.rejects(placeAt('s3://configs/a folder/config', { env: nobody }).read(signal()), {
      name: 'PlaceError',
      message:
        's3://configs/a folder/config: access denied: arn:aws:iam::123456789012:user/nobody may not s3:GetObject ' +
        '(AccessDenied: no identity-based policy allows the s3:GetObject action)',
    });
    await assert.rejects(
      placeAt('s3://configs/x', { env: { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' } }).read(signal()),
      {
        message: /no AWS credentials/,
      },
    );
    place.stop();
  });

  it('is read by a role of the machine, as secrets are', async (t) => {
    const emulator = await startEmulator();
    t.after(() => emulator.stop());
    emulator.putObject('configs', 'config', DOCUMENT);
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-s3-'));
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, emulator.containerToken!);
    chmodSync(tokenFile, 0o600);
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...env } = emulator.environment;
    const place = placeAt('s3://configs/config', {
      env: {
        ...env,
        HOME: folder,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: emulator.containerCredentialsUrl,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
      },
    });
    assert.deepEqual(await place.read(signal()), DOCUMENT);
    assert.match(emulator.calls({ service: 's3' })[0]?.roleArn ?? '', /emulator-task/);
    place.stop();
    rmSync(folder, { recursive: true, force: true });
  });
});
