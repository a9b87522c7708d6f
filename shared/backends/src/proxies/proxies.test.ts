import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { parsePlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { HttpProxy } from '@vaultplane/testkit/http-proxy.ts';
import { type BackendContext, OWN } from '../backend.ts';
import { Backends } from '../backends.ts';
import { openPlace } from '../open-place.ts';
import { BARE_ENV, openAws } from '../testing/open-aws.ts';
import { noOpenBao, OpenBao } from '../testing/open-bao.ts';
import { NO_GOOGLE_ENV, openGcp } from '../testing/open-gcp.ts';
import { openHcv } from '../testing/open-hcv.ts';
import { BadProxy, Proxies } from './proxies.ts';

describe('the proxy of a call', () => {
  const env = { HTTPS_PROXY: 'http://me:c4n4ry@secure.example:3128', HTTP_PROXY: 'plain.example:3129' };
  const through = (url: string, changes: NodeJS.ProcessEnv = {}) => {
    const { protocol, hostname, port } = new URL(url);
    return new Proxies({ ...env, ...changes }).of({ protocol, host: hostname, port })?.url.host;
  };

  it('is HTTPS_PROXY for https and HTTP_PROXY for http, and that in small letters first', () => {
    assert.equal(through('https://aws.example'), 'secure.example:3128');
    assert.equal(through('http://vault.example:8200'), 'plain.example:3129');
    assert.equal(through('https://aws.example', { https_proxy: 'https://small.example' }), 'small.example');
    assert.equal(through('https://aws.example', { HTTPS_PROXY: '' }), undefined);
    assert.equal(new Proxies({}).of({ protocol: 'https:', host: 'aws.example', port: 443 }), undefined);
  });

  for (const none of [
    'https://localhost',
    'http://app.localhost',
    'http://127.0.0.1:8200',
    'http://127.8.8.8',
    'http://0x7f.1',
    'http://2130706433',
    'https://[::1]:8200',
    'http://[::ffff:127.0.0.1]',
    'http://169.254.169.254/latest',
    'http://169.254.170.2',
    'http://[fe80::1]',
    'http://[fd00:ec2::254]',
    'http://metadata.google.internal',
    'http://metadata.google.internal.',
  ]) {
    it(`is none for ${none}, whatever the environment says`, () => assert.equal(through(none), undefined));
  }

  for (const [entry, covered, others] of [
    ['*', ['https://a.example', 'http://10.0.0.1'], []],
    ['a.example', ['https://a.example', 'https://b.a.example:444'], ['https://ba.example', 'https://example']],
    ['.a.example', ['https://a.example', 'https://b.a.example'], ['https://ba.example']],
    ['*.a.example, b.example', ['https://x.a.example', 'https://b.example'], ['https://c.example']],
    ['x.example:8443', ['https://x.example:8443'], ['https://x.example']],
    ['10.1.2.3 10.2.0.0/16', ['http://10.1.2.3', 'http://10.2.200.1:8200'], ['http://10.1.2.4', 'http://10.3.0.1']],
    ['fd12::/16,[fd77::1]', ['http://[fd12::5]', 'http://[fd77::1]'], ['http://[fd13::5]']],
  ] as const) {
    it(`is none for what NO_PROXY=${entry} names`, () => {
      for (const name of ['NO_PROXY', 'no_proxy']) {
        for (const url of covered) assert.equal(through(url, { [name]: entry }), undefined, url);
        for (const url of others) assert.ok(through(url, { [name]: entry }), url);
      }
    });
  }

  it('that can not be used is an error that does not repeat it', () => {
    for (const value of ['socks5://me:c4n4ry@host:1080', 'http://', 'http://me:c4n4ry@:x', 'http://a b']) {
      assert.throws(
        () => through('https://aws.example', { HTTPS_PROXY: value }),
        (error: Error) => {
          assert.ok(error instanceof BadProxy);
          assert.match(error.message, /^HTTPS_PROXY \(not shown\) can't be used: it must be http:\/\//);
          assert.doesNotMatch(error.message, /c4n4ry/);
          return true;
        },
      );
    }
  });

  it('is told without its credentials, with why there is none', () => {
    const proxies = new Proxies({ ...env, NO_PROXY: 'near.example' });
    for (const [protocol, host] of [
      ['https', 'aws.example'],
      ['https', 'near.example'],
      ['http', '127.0.0.1'],
    ] as const) {
      proxies.of({ protocol, host, port: undefined });
    }
    assert.deepEqual(Object.fromEntries(proxies.used), {
      'https://aws.example': 'through http://secure.example:3128 (HTTPS_PROXY)',
      'https://near.example': 'directly (NO_PROXY)',
      'http://127.0.0.1': 'directly (this machine)',
    });
  });
});

describe('a proxy', { skip: noCertificates }, () => {
  let folder: string;
  let certificate: TestCertificate;
  let aws: Emulator;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-proxy-'));
    certificate = makeCertificate(folder, 'server', {
      names: ['secretsmanager.test', 'sts.test', 'secretmanager.test', 's3.test', 'store.test', '127.0.0.1'],
    });
    aws = await startEmulator({ tls: certificate });
    aws.putSecret('us-east-1', 'db', 'one');
  });
  after(async () => {
    await aws?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const portOf = (url: string) => Number(new URL(url).port);
  const trusting = () => ({ trustedCertificates: ['system', certificate.certFile] });
  const awsEnv = (proxies: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
    ...BARE_ENV,
    ...aws.environment,
    AWS_ENDPOINT_URL: undefined,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: 'https://secretsmanager.test',
    AWS_ENDPOINT_URL_STS: 'https://sts.test:8443',
    AWS_ENDPOINT_URL_S3: 'https://s3.test',
    ...proxies,
  });
  const names = () => ({
    'secretsmanager.test': portOf(aws.url),
    'sts.test': portOf(aws.url),
    's3.test': portOf(aws.url),
  });

  it('of HTTPS_PROXY takes calls to AWS Secrets Manager and STS, by connections that are kept', async () => {
    await using proxy = await HttpProxy.start({ credentials: 'me:p@ss', names: names() });
    const env = awsEnv({ HTTPS_PROXY: proxy.url('me:p%40ss').href });
    await using opened = await openAws(null, { region: 'us-east-1' }, { env, ...trusting() });
    for (let turn = 0; turn < 3; turn++) assert.equal(await opened.read('db'), 'one');
    const config = withDefaults(VAULT_TYPES.get('aws')!, { region: 'us-east-1' });
    assert.match((await opened.backends.caller('aws', config, OWN))?.arn ?? '', /^arn:aws/);
    assert.deepEqual(proxy.asked, ['secretsmanager.test:443', 'sts.test:8443']);
  });

  it('that is spoken to by TLS is one that ssl_trusted_certificate trusts', async () => {
    await using proxy = await HttpProxy.start({ tls: certificate, names: names() });
    const env = awsEnv({ https_proxy: proxy.url().href });
    await using opened = await openAws(null, { region: 'us-east-1' }, { env, ...trusting() });
    assert.equal(await opened.read('db'), 'one');
    const other = makeCertificate(folder, 'other', { names: ['127.0.0.1'] });
    await using wrong = await HttpProxy.start({ tls: other, names: names() });
    const wrongEnv = awsEnv({ https_proxy: wrong.url().href });
    await using wary = await openAws(null, { region: 'us-east-1' }, { env: wrongEnv, ...trusting() });
    await assert.rejects(wary.read('db'), { code: 'unavailable', message: /the proxy https:\/\/127.*SELF_SIGNED/ });
  });

  it('that is spoken to by TLS has a certificate for its own name, not for the destination', async () => {
    const own = makeCertificate(folder, 'of-the-proxy', { names: ['127.0.0.1'] });
    const trusted = { ...trusting(), trustedCertificates: [certificate.certFile, own.certFile] };
    await using proxy = await HttpProxy.start({ tls: own, names: names() });
    const env = awsEnv({ https_proxy: proxy.url().href });
    await using opened = await openAws(null, { region: 'us-east-1' }, { env, ...trusted });
    assert.equal(await opened.read('db'), 'one');
    const destinations = makeCertificate(folder, 'of-the-destination', { names: ['secretsmanager.test'] });
    trusted.trustedCertificates.push(destinations.certFile);
    await using posing = await HttpProxy.start({ tls: destinations, names: names() });
    const posingEnv = awsEnv({ https_proxy: posing.url().href });
    await using wary = await openAws(null, { region: 'us-east-1' }, { env: posingEnv, ...trusted });
    await assert.rejects(wary.read('db'), { code: 'unavailable', message: /the proxy https:\/\/127.*ALTNAME/ });
  });

  it('that refuses, is gone or is none is named, without its credentials', async () => {
    await using closed = await HttpProxy.start({ credentials: 'me:right', names: names() });
    await using lost = await HttpProxy.start();
    const gone = await HttpProxy.start();
    const goneUrl = gone.url('me:c4n4ry').href;
    await gone.stop();
    for (const [url, message] of [
      [
        closed.url('me:c4n4ry').href,
        /the proxy http:\/\/127\.0\.0\.1:\d+ \(HTTPS_PROXY\) does not connect to secretsmanager\.test:443: it wants other credentials/,
      ],
      [lost.url().href, /does not connect to secretsmanager\.test:443: it answered 502/],
      [goneUrl, /the proxy http:\/\/127\.0\.0\.1:\d+ \(HTTPS_PROXY\) does not connect .*ECONNREFUSED/],
      ['socks5://me:c4n4ry@host', /HTTPS_PROXY \(not shown\) can't be used/],
    ] as const) {
      await using opened = await openAws(
        null,
        { region: 'us-east-1' },
        { env: awsEnv({ HTTPS_PROXY: url }), ...trusting() },
      );
      await assert.rejects(opened.read('db'), (error: Error & { code: string }) => {
        assert.equal(error.code, 'unavailable');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message + opened.logged.join(), /c4n4ry/);
        return true;
      });
    }
  });

  it('that never answers is given up in the time for a connection', async () => {
    const { answerlessPort } = await import('../testing/silent-port.ts');
    await using silent = await answerlessPort();
    const env = awsEnv({ HTTPS_PROXY: `http://127.0.0.1:${silent.port}` });
    const deadlines = { connect: 100, total: 60_000 };
    await using opened = await openAws(null, { region: 'us-east-1' }, { env, deadlines });
    await assert.rejects(opened.read('db'), { code: 'unavailable', message: /the proxy .* timed out/ });
  });

  it('of HTTPS_PROXY takes calls to Google, and none to its metadata service', async () => {
    await using google = await startGcpEmulator({ tls: certificate });
    google.putSecret('db', 'one');
    await using proxy = await HttpProxy.start({ names: { 'secretmanager.test': portOf(google.url) } });
    const proxies = { HTTPS_PROXY: proxy.url().href, HTTP_PROXY: proxy.url().href };
    const env = { ...NO_GOOGLE_ENV, METADATA_SERVER_DETECTION: undefined, GCE_METADATA_HOST: google.metadataHost };
    const context = { env: { ...env, ...proxies }, ...trusting() };
    await using gcp = await openGcp(google, { endpoint_url: 'https://secretmanager.test' }, context);
    assert.equal(await gcp.read('db'), 'one');
    assert.deepEqual(proxy.asked, ['secretmanager.test:443']);
  });

  it('of HTTP_PROXY takes calls to a vault server over http', { skip: noOpenBao() ?? false }, async () => {
    await using bao = await OpenBao.start();
    await bao.putSecret('db', { password: 'one' });
    await using proxy = await HttpProxy.start({ credentials: 'me:pass', names: { 'vault.test': bao.port } });
    const env = { HTTP_PROXY: proxy.url('me:pass').href };
    const config = { protocol: 'http', host: 'vault.test', port: 8200, token: bao.rootToken };
    await using hcv = await openHcv({ config: bao.config }, config, { env });
    for (let turn = 0; turn < 2; turn++) assert.match(await hcv.read('db'), /one/);
    assert.ok(proxy.asked.includes('GET http://vault.test:8200/v1/secret/data/db'), String(proxy.asked));
    const near = { env: { ...env, NO_PROXY: 'vault.test' }, deadlines: { connect: 1000, total: 10_000 } };
    await using direct = await openHcv({ config: bao.config }, config, near);
    await assert.rejects(direct.read('db'), { message: /can't be reached \((ENOTFOUND|EAI_AGAIN|ETIMEDOUT)\)/ });
  });

  it('of HTTPS_PROXY takes a configuration that is exported to S3 and to an https URL', async () => {
    let stored = Buffer.alloc(0);
    const store = createServer(certificate, async (request, response) => {
      if (request.method === 'PUT') stored = Buffer.concat(await request.toArray());
      response.end(stored);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => store.once('listening', resolve));
    aws.addBucket('configs');
    const ports = { ...names(), 'store.test': (store.address() as AddressInfo).port };
    await using proxy = await HttpProxy.start({ names: ports });
    const context: BackendContext = {
      env: awsEnv({ HTTPS_PROXY: proxy.url().href }),
      log: silentLog,
      deadlines: { connect: 20_000, total: 60_000 },
      counts: { calls: 0, errors: 0, throttled: 0 },
      ...trusting(),
    };
    const signal = AbortSignal.timeout(60_000);
    for (const url of ['https://store.test/config', 's3://configs/config']) {
      const place = openPlace(parsePlaceUrl(url)!, { context });
      await place.write(Buffer.from(url), signal);
      assert.equal(String(await place.read(signal)), url);
      place.stop();
    }
    assert.deepEqual(new Set(proxy.asked), new Set(['store.test:443', 's3.test:443']));
    store.close();
    store.closeAllConnections();
  });

  it('makes no way to a metadata address for a pushed vault', async () => {
    await using proxy = await HttpProxy.start();
    const backends = new Backends({
      env: { HTTP_PROXY: proxy.url().href },
      log: silentLog,
      trustedCertificates: ['system'],
      deadlines: { connect: 1000, total: 5000 },
      counts: { calls: 0, errors: 0, throttled: 0 },
    });
    try {
      for (const host of ['169.254.169.254', '2852039166', '0xa9fea9fe', '::ffff:169.254.169.254']) {
        const config = withDefaults(VAULT_TYPES.get('hcv')!, { host, port: 80, token: 'its-own' });
        const asked = backends.open('hcv', config, { origin: 'pushed' }).then((backend) => {
          return backend.fetch({ path: 'db', version: {} }, new AbortController().signal);
        });
        await assert.rejects(asked, (error) => error instanceof PolicyRefusal || /metadata/.test(String(error)), host);
      }
      assert.deepEqual(proxy.asked, []);
    } finally {
      backends.stop();
    }
  });
});
