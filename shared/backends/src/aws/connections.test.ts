import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { type BackendContext, deadlinesOf } from '../backend.ts';
import { BARE_ENV, openAws } from '../testing/open-aws.ts';
import { answerlessPort, silentPort } from '../testing/silent-port.ts';
import { AwsConnections } from './connections.ts';
import { stsTarget } from './endpoint.ts';
import { localCredentials } from './local-credentials.ts';

const openssl = spawnSync('openssl', ['version']).status === 0;

const folder = mkdtempSync(join(tmpdir(), 'vaultplane-tls-'));
const path = (name: string) => join(folder, name);

describe('connections to AWS', {
  skip: openssl ? false : 'openssl, which makes the certificates, is not installed',
}, () => {
  before(() => {
    const run = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    run('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=private CA', '-days', '2');
    run('req', '-x509', ...key, '-keyout', 'other.key', '-out', 'other.pem', '-subj', '/CN=another CA', '-days', '2');
    run('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=emulator');
    writeFileSync(path('server.ext'), 'subjectAltName=IP:127.0.0.1\n');
    run(
      'x509',
      '-req',
      '-in',
      'server.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-days',
      '2',
      '-extfile',
      'server.ext',
      '-out',
      'server.pem',
    );
  });

  for (const [trusted, answer] of [
    [['ca.pem'], 'one'],
    [['system', 'ca.pem'], 'one'],
    [['other.pem'], /can't be reached \(\w+; ssl_trusted_certificate says whom to trust\)/],
    [['system'], /ssl_trusted_certificate says whom to trust/],
    [['missing.pem'], /missing\.pem can't be read: ENOENT/],
  ] as const) {
    it(`trust ${trusted.join(' and ')}: ${answer}`, async () => {
      const tls = { cert: readFileSync(path('server.pem'), 'utf8'), key: readFileSync(path('server.key'), 'utf8') };
      await using emulator = await startEmulator({ tls });
      emulator.putSecret('us-east-1', 'db', 'one');
      const trustedCertificates = trusted.map((name) => (name === 'system' ? name : path(name)));
      await using aws = await openAws(emulator, {}, { trustedCertificates });
      if (answer === 'one') {
        const pem = readFileSync(path('ca.pem'));
        for (const text of [pem.toString(), pem.toString('base64')]) {
          await using inline = await openAws(emulator, {}, { trustedCertificates: [text] });
          assert.equal(await inline.read('db'), answer);
        }
      }
      if (typeof answer === 'string') assert.equal(await aws.read('db'), answer);
      else await assert.rejects(aws.read('db'), { code: 'unavailable', message: answer });
    });
  }
});

describe('where STS is asked', () => {
  const cases = [
    ['eu-west-1', undefined, {}, undefined, { region: 'eu-west-1', endpoint: undefined }],
    [
      'eu-west-1',
      undefined,
      { AWS_STS_REGIONAL_ENDPOINTS: 'regional' },
      'legacy',
      { region: 'eu-west-1', endpoint: undefined },
    ],
    [
      'eu-west-1',
      undefined,
      { AWS_STS_REGIONAL_ENDPOINTS: 'legacy' },
      undefined,
      { region: 'us-east-1', endpoint: 'https://sts.amazonaws.com' },
    ],
    ['eu-west-1', undefined, {}, 'legacy', { region: 'us-east-1', endpoint: 'https://sts.amazonaws.com' }],
    [
      'ap-east-1',
      undefined,
      { AWS_STS_REGIONAL_ENDPOINTS: 'legacy' },
      undefined,
      { region: 'ap-east-1', endpoint: undefined },
    ],
    [
      'eu-west-1',
      'https://sts.example',
      { AWS_STS_REGIONAL_ENDPOINTS: 'legacy', AWS_ENDPOINT_URL: 'http://x' },
      undefined,
      { region: 'eu-west-1', endpoint: 'https://sts.example' },
    ],
    [
      'eu-west-1',
      undefined,
      { AWS_ENDPOINT_URL_STS: 'http://s', AWS_ENDPOINT_URL: 'http://x' },
      undefined,
      { region: 'eu-west-1', endpoint: 'http://s' },
    ],
    [
      'eu-west-1',
      undefined,
      { AWS_ENDPOINT_URL: 'http://x', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
      undefined,
      { region: 'eu-west-1', endpoint: undefined },
    ],
  ] as const;
  for (const [region, vaultEndpoint, env, profile, expected] of cases) {
    it(`${JSON.stringify([region, vaultEndpoint, env, profile])}`, () => {
      const { region: signed, endpoint } = stsTarget(region, vaultEndpoint, env, profile);
      assert.deepEqual({ region: signed, endpoint: endpoint?.url }, expected);
    });
  }
});

describe('deadlines of calls to AWS', () => {
  const contextOf = (env: NodeJS.ProcessEnv, deadlines: BackendContext['deadlines']): BackendContext => ({
    env,
    deadlines,
    log: silentLog,
    trustedCertificates: ['system'],
    counts: { calls: 0, errors: 0, throttled: 0 },
  });

  it('are a second for a connection and five for an answer, unless settings say otherwise', () => {
    assert.deepEqual(deadlinesOf({}), { connect: 1000, total: 5000 });
    assert.deepEqual(deadlinesOf({ upstream_connect_timeout: 0.2, upstream_timeout: 2 }), {
      connect: 200,
      total: 2000,
    });
  });

  it('give up a connection that is never made long before the whole call is over', async () => {
    await using silent = await silentPort();
    const config = { region: 'us-east-1', endpoint_url: `http://127.0.0.1:${silent.port}` };
    const env = { ...BARE_ENV, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    await using aws = await openAws(null, config, { env, deadlines: { connect: 100, total: 60_000 } });
    await assert.rejects(aws.read('db'), { code: 'unavailable', message: /did not answer in time|can't be reached/ });
    assert.deepEqual(aws.counts, { calls: 1, errors: 1, throttled: 0 });
  });

  it('hold for calls that the SDK makes on its own too, to be had credentials from', async () => {
    await using sts = await answerlessPort();
    const token = path('web-token');
    writeFileSync(token, 'a token');
    const identity = { AWS_WEB_IDENTITY_TOKEN_FILE: token, AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/pod' };
    const env = { ...BARE_ENV, ...identity, AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${sts.port}` };
    // The call itself waits for them longer: its deadline is another backend's here.
    const handler = new AwsConnections(contextOf(env, { connect: 20_000, total: 100 }));
    try {
      const store = localCredentials(contextOf(env, { connect: 20_000, total: 60_000 }), handler);
      await assert.rejects(store.get(), { code: 'unavailable' });
    } finally {
      handler.stop();
    }
  });
});
