import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { type GcpEmulator, MACHINE_ACCOUNT, startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { quickestRunMs } from '@vaultplane/testkit/quickest-run.ts';
import { OWN } from '../backend.ts';
import { Backends } from '../backends.ts';
import { NO_GOOGLE_ENV, openGcp } from '../testing/open-gcp.ts';
import { answerlessPort, silentPort } from '../testing/silent-port.ts';
import type { GoogleCredentials } from './credential-sources.ts';
import { stampOf } from './credential-sources.ts';
import { Tokens } from './tokens.ts';

const APP_ACCOUNT = 'app@emulator-project.iam.gserviceaccount.com';

describe('Google credentials', () => {
  let emulator: GcpEmulator;
  let folder: string;
  /** Made once: making an RSA key takes a while. */
  let key: ReturnType<GcpEmulator['createKey']>;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-gcp-'));
    emulator = await startGcpEmulator();
    emulator.addPrincipal({ email: APP_ACCOUNT, grants: [{ role: 'secretAccessor' }] });
    key = emulator.createKey(APP_ACCOUNT);
    emulator.putSecret('db', 'one');
  });
  afterEach(() => {
    emulator.clearOrders({ release: true });
    emulator.resetCalls();
    emulator.setMachine({ serviceAccount: MACHINE_ACCOUNT, tokenSeconds: 3600 });
  });
  after(async () => {
    await emulator.stop();
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, content: unknown) => {
    const path = join(folder, name);
    // As whoever renews a file should: it is there as a whole, or not yet.
    writeFileSync(`${path}.new`, typeof content === 'string' ? content : JSON.stringify(content));
    renameSync(`${path}.new`, path);
    return path;
  };
  /** Whose token the calls for secrets had, each once. */
  const askers = () => [...new Set(emulator.calls({ service: 'secretmanager' }).map(({ email }) => email))];

  it('come from GCP_SERVICE_ACCOUNT before all others, and name the project', async () => {
    const GOOGLE_APPLICATION_CREDENTIALS = file('admin.json', emulator.createKey());
    const env = { GCP_SERVICE_ACCOUNT: JSON.stringify(key), GOOGLE_APPLICATION_CREDENTIALS };
    await using gcp = await openGcp(emulator, {}, { env: { ...env, GCE_METADATA_HOST: emulator.metadataHost } });
    assert.equal(await gcp.read('db'), 'one');
    assert.deepEqual(askers(), [APP_ACCOUNT]);
    assert.equal(emulator.calls({ service: 'metadata' }).length, 0);
    assert.deepEqual(await gcp.backends.caller('gcp', {}, OWN), {
      source: 'GCP_SERVICE_ACCOUNT',
      account: 'emulator-project',
      accountKind: 'project',
      arn: APP_ACCOUNT,
    });
  });

  it('come from the file that GOOGLE_APPLICATION_CREDENTIALS names, of a service account or of a person', async () => {
    for (const content of [key, { ...emulator.createUser(APP_ACCOUNT), quota_project_id: 'emulator-project' }]) {
      emulator.resetCalls();
      const GOOGLE_APPLICATION_CREDENTIALS = file('some.json', { ...content, token_uri: emulator.tokenUri });
      await using gcp = await openGcp(emulator, {}, { env: { ...NO_GOOGLE_ENV, GOOGLE_APPLICATION_CREDENTIALS } });
      assert.equal(await gcp.read('db'), 'one');
      assert.deepEqual(askers(), [APP_ACCOUNT]);
    }
  });

  it('are read behind a byte order mark, with their project', async () => {
    const GOOGLE_APPLICATION_CREDENTIALS = file('marked.json', { ...key, token_uri: emulator.tokenUri });
    writeFileSync(GOOGLE_APPLICATION_CREDENTIALS, `\ufeff${readFileSync(GOOGLE_APPLICATION_CREDENTIALS, 'utf8')}`);
    await using gcp = await openGcp(emulator, {}, { env: { ...NO_GOOGLE_ENV, GOOGLE_APPLICATION_CREDENTIALS } });
    assert.equal(await gcp.read('db'), 'one');
  });

  it('come from the metadata server, with its project', async () => {
    await using gcp = await openGcp(emulator);
    assert.equal(await gcp.read('db'), 'one');
    assert.deepEqual(askers(), [MACHINE_ACCOUNT]);
    assert.match(gcp.logged.join(''), /Google credentials found/);
  });

  // Its address is fixed, so this needs a network of its own.
  const inNamespace = [
    '-rn',
    'sh',
    '-c',
    'ip link set lo up && ip addr add 169.254.169.254/32 dev lo && exec "$0" "$@"',
  ];
  const namespaces = spawnSync('unshare', [...inNamespace, 'true']).status === 0;
  it('come from the metadata server at its own address', {
    skip: namespaces ? false : 'no network namespace can be made here',
  }, () => {
    const script = join(import.meta.dirname, '../testing/metadata-namespace.ts');
    const run = spawnSync('unshare', [...inNamespace, process.execPath, script], { encoding: 'utf8', timeout: 60_000 });
    const path = '/computeMetadata/v1/instance/service-accounts/default/token';
    assert.deepEqual(JSON.parse(run.stdout || '[]'), ['169.254.169.254', path, MACHINE_ACCOUNT], run.stderr);
  });

  it("come from the vault's own service_account, each vault's apart from the others'", async () => {
    await using gcp = await openGcp(emulator, { service_account: JSON.stringify(key) });
    assert.equal(await gcp.read('db'), 'one');
    assert.deepEqual(askers(), [APP_ACCOUNT]);
    const other = await gcp.backends.open('gcp', { endpoint_url: emulator.url }, OWN);
    await other.fetch({ path: 'db', version: {} }, new AbortController().signal);
    assert.deepEqual(askers(), [APP_ACCOUNT, MACHINE_ACCOUNT]);
  });

  it('that a reference of the vault names are looked up anew when Google takes them no more', async () => {
    const keys = [emulator.createKey(APP_ACCOUNT), key];
    const lookups: boolean[] = [];
    const context = {
      env: NO_GOOGLE_ENV,
      log: createLog('test', 'debug', { write: () => {} }),
      trustedCertificates: ['system'],
      deadlines: { connect: 20_000, total: 60_000 },
      counts: { calls: 0, errors: 0, throttled: 0 },
    };
    const lookUpCredential = async (_reference: string, anew: boolean) => {
      lookups.push(anew);
      return JSON.stringify(anew ? keys[1] : keys[0]);
    };
    const backends = new Backends(context, { lookUpCredential });
    const config = { endpoint_url: emulator.url, service_account: '{vault://env/GCP_KEY}' };
    const backend = await backends.open('gcp', config, OWN);
    const read = async () =>
      (await backend.fetch({ path: 'db', version: {} }, AbortSignal.timeout(60_000))).value.reveal();
    assert.equal(await read(), 'one');
    emulator.deleteKey(keys[0]!.private_key_id);
    emulator.revokeTokens(APP_ACCOUNT);
    assert.equal(await read(), 'one');
    assert.deepEqual(lookups, [false, true]);
    backends.stop();
  });

  it('are named source by source where there are none', async () => {
    await using gcp = await openGcp(emulator, {}, { env: NO_GOOGLE_ENV });
    await assert.rejects(gcp.read('db'), {
      code: 'unavailable',
      message:
        'no Google credentials: GCP_SERVICE_ACCOUNT: it is not set; GOOGLE_APPLICATION_CREDENTIALS: it is not set; ' +
        'metadata server: METADATA_SERVER_DETECTION is none',
    });
    assert.equal(emulator.calls().length, 0);
  });

  it('are not sought elsewhere when a source is configured and fails; the error says why and shows no key', async () => {
    const { private_key: secret } = key;
    const damaged = JSON.stringify({ ...key, private_key: 'c4n4ry' });
    const cases: Array<[NodeJS.ProcessEnv, RegExp]> = [
      [{ GCP_SERVICE_ACCOUNT: `{"private_key": "c4n4ry` }, /GCP_SERVICE_ACCOUNT: .*it is not the JSON of a key/],
      [{ GCP_SERVICE_ACCOUNT: '{"type":"service_account"}' }, /it has no client_email/],
      [{ GCP_SERVICE_ACCOUNT: '{"type":"external_account"}' }, /type external_account, which is not supported/],
      [{ GCP_SERVICE_ACCOUNT: damaged }, /its private_key is no RSA key/],
      [{ GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'nope') }, /nope can't be read: ENOENT/],
    ];
    const gone = emulator.createKey(APP_ACCOUNT);
    emulator.deleteKey(gone.private_key_id);
    const refused = /GCP_SERVICE_ACCOUNT: .*refuses it \(invalid_grant, HTTP 400\)/;
    cases.push([{ GCP_SERVICE_ACCOUNT: JSON.stringify(gone) }, refused]);
    const unreachable = JSON.stringify({ ...key, token_uri: 'http://127.0.0.1:1/token' });
    cases.push([{ GCP_SERVICE_ACCOUNT: unreachable }, /127\.0\.0\.1:1 can't be reached \(ECONNREFUSED\)/]);
    for (const [env, expected] of cases) {
      await using gcp = await openGcp(emulator, {}, { env: { ...env, GCE_METADATA_HOST: emulator.metadataHost } });
      const error = (await gcp.read('db').catch((thrown: unknown) => thrown)) as Error;
      assert.match(error.message, expected);
      const said = inspect(error, { depth: 9, showHidden: true }) + gcp.logged.join('');
      for (const canary of ['c4n4ry', secret, secret.slice(100, 160), gone.private_key.slice(100, 160)]) {
        assert.ok(!said.includes(canary));
      }
    }
    assert.equal(emulator.calls({ service: 'metadata' }).length, 0);
  });

  it('of the metadata server are an error where it has no service account, or fails', async () => {
    emulator.setMachine({ serviceAccount: null });
    await using gcp = await openGcp(emulator);
    await assert.rejects(gcp.read('db'), { message: /metadata server: .* no service account \(HTTP 404\)/ });
    emulator.setMachine({ serviceAccount: MACHINE_ACCOUNT });
    const order = emulator.order({
      match: { operation: 'GetToken' },
      behaviour: { kind: 'garbage', status: 200, body: 'c4n4ry' },
    });
    const error = (await gcp.read('db').catch((thrown: unknown) => thrown)) as Error;
    assert.match(error.message, /metadata server: it is configured but failed/);
    assert.ok(!inspect(error).includes('c4n4ry'));
    order.remove();
    assert.equal(await gcp.read('db'), 'one');
  });

  it('of a metadata server that knows a token only do where the vault names its project', async () => {
    emulator.order({ match: { operation: 'GetMetadata' }, behaviour: { kind: 'error', status: 404, code: '404' } });
    await using gcp = await openGcp(emulator, { project_id: 'emulator-project' });
    assert.equal(await gcp.read('db'), 'one');
    assert.deepEqual(askers(), [MACHINE_ACCOUNT]);
    await using lost = await openGcp(emulator);
    await assert.rejects(lost.read('db'), {
      code: 'unavailable',
      message: /no Google project is known: set the vault's project_id or vault_gcp_project_id/,
    });
  });

  it('are not taken from what is no metadata server', async () => {
    const pretending = { kind: 'garbage' as const, status: 200, body: 'emulator-project' };
    emulator.order({ match: { service: 'metadata' }, behaviour: pretending });
    await using gcp = await openGcp(emulator);
    await assert.rejects(gcp.read('db'), {
      message: /metadata server: no answer from .* \(something else answers there\)/,
    });
    assert.equal(emulator.calls({ operation: 'GetToken' }).length, 0);
  });

  for (const [service, open] of Object.entries({ 'never answers': answerlessPort, 'is out of reach': silentPort })) {
    it(`cost about a second to find missing where the metadata server ${service}`, async () => {
      await using metadata = await open();
      // Google's own library would wait three seconds and more.
      const limitMs = 3000;
      const tookMs = await quickestRunMs(limitMs, async () => {
        await using gcp = await openGcp(emulator, {}, { env: { GCE_METADATA_HOST: `127.0.0.1:${metadata.port}` } });
        const start = performance.now();
        await assert.rejects(gcp.read('db'), { message: /metadata server: no answer from 127.0.0.1:\d+ \(timeout\)/ });
        return performance.now() - start;
      });
      assert.ok(tookMs < limitMs, `${tookMs} ms`);
    });
  }

  it('name no metadata server whose name may be a key, and looks like a word in lower case only', async () => {
    const env = { ...NO_GOOGLE_ENV, METADATA_SERVER_DETECTION: undefined, GCE_METADATA_HOST: 'XuHP2vwUyZ/aB3+xYz0Q' };
    await using gcp = await openGcp(emulator, {}, { env });
    await assert.rejects(gcp.read('db'), ({ message }: Error) => {
      assert.match(message, /metadata server: (?:no answer from )?\(not shown\)/);
      assert.doesNotMatch(message, /xuhp2vwuyz|ab3/i);
      return true;
    });
  });

  for (const hours of [-3, 3]) {
    it(`of a key are had in spite of a clock that is ${hours} hours off`, async () => {
      await using elsewhen = await startGcpEmulator({ clock: () => Date.now() - hours * 3_600_000 });
      elsewhen.putSecret('db', 'one');
      const env = { ...NO_GOOGLE_ENV, GCP_SERVICE_ACCOUNT: JSON.stringify(elsewhen.createKey()) };
      await using gcp = await openGcp(elsewhen, {}, { env });
      assert.equal(await gcp.read('db'), 'one');
      assert.equal(elsewhen.counts().ExchangeAssertion, 2);
    });
  }

  it('are had once for many lookups at once', async () => {
    const env = { ...NO_GOOGLE_ENV, GCP_SERVICE_ACCOUNT: JSON.stringify(key) };
    await using gcp = await openGcp(emulator, {}, { env });
    await Promise.all(Array.from({ length: 100 }, () => gcp.read('db')));
    assert.equal(emulator.counts().ExchangeAssertion, 1);
  });

  it('are had anew at once when Google takes them no more, and the call is made again', async () => {
    await using gcp = await openGcp(emulator);
    assert.equal(await gcp.read('db'), 'one');
    emulator.revokeTokens();
    emulator.resetCalls();
    const values = await Promise.all(Array.from({ length: 20 }, () => gcp.read('db')));
    assert.ok(values.every((value) => value === 'one'));
    assert.equal(emulator.counts().GetToken, 1);
  });

  it('that Google refuses again and again are tried twice, and are no miss', async () => {
    await using gcp = await openGcp(emulator);
    emulator.order({
      match: { service: 'secretmanager' },
      behaviour: { kind: 'error', status: 401, code: 'UNAUTHENTICATED' },
    });
    await assert.rejects(gcp.read('db'), {
      code: 'unavailable',
      message: /refuses the credentials \(UNAUTHENTICATED\)/,
    });
    assert.ok(emulator.calls({ service: 'secretmanager' }).length <= 2);
  });

  it("are written nowhere by Google's library, whatever its own logging is set to", () => {
    const script = `
      import { Backends } from '${import.meta.resolve('../backends.ts')}';
      import { createLog } from '${import.meta.resolve('@vaultplane/platform/logging/log.ts')}';
      const backends = new Backends({
        env: process.env,
        log: createLog('test', 'debug', process.stdout),
        trustedCertificates: [],
        deadlines: { connect: 20_000, total: 60_000 },
        counts: { calls: 0, errors: 0, throttled: 0 },
      });
      const backend = await backends.open('gcp', { endpoint_url: process.env.ENDPOINT }, { origin: 'own' });
      const { value } = await backend.fetch({ path: 'db', version: {} }, new AbortController().signal);
      console.log('read', value.bytes);
      backends.stop();`;
    const settings = { GOOGLE_SDK_NODE_LOGGING: 'all', DEBUG: '*', DEBUG_AUTH: '1', NODE_DEBUG: 'google' };
    const env = { GCP_SERVICE_ACCOUNT: JSON.stringify(key), ENDPOINT: emulator.url, ...settings };
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env });
    return Promise.all([text(child.stdout), text(child.stderr)]).then(([out, err]) => {
      assert.match(out, /^read 3$/m, err);
      for (const secret of ['ya29.', 'eyJ', key.private_key.slice(100, 160)]) assert.ok(!(out + err).includes(secret));
    });
  });

  it('are never logged', async () => {
    const env = { ...NO_GOOGLE_ENV, GCP_SERVICE_ACCOUNT: JSON.stringify(key) };
    await using gcp = await openGcp(emulator, {}, { env });
    await gcp.read('db');
    const order = emulator.order({ behaviour: { kind: 'error', status: 401, code: 'UNAUTHENTICATED' } });
    const error = await gcp.read('db').catch((thrown: unknown) => thrown);
    order.remove();
    const said = gcp.logged.join('') + inspect(error, { depth: 9, showHidden: true });
    for (const secret of ['ya29.', key.private_key.slice(100, 160), 'BEGIN PRIVATE KEY']) {
      assert.ok(!said.includes(secret));
    }
  });

  describe('in a store of tokens', () => {
    const credentials = (token: string, rest: Partial<GoogleCredentials> = {}): GoogleCredentials => ({
      token,
      expiration: new Date(3_600_000),
      source: 'test',
      email: APP_ACCOUNT,
      projectId: null,
      quotaProject: null,
      file: null,
      ...rest,
    });

    it('are read anew when their file changes; one that can not be used changes nothing', async () => {
      const path = file('followed', 'one');
      let now = 0;
      let finds = 0;
      let broken = false;
      const tokens = new Tokens(
        async () => {
          if (broken) throw new Error('no');
          return credentials(`token-${++finds}`, { file: { path, stamp: await stampOf(path) } });
        },
        () => now,
      );
      const token = async () => (await tokens.get()).token;
      assert.equal(await token(), 'token-1');
      now += 11_000;
      assert.equal(await token(), 'token-1');
      file('followed', 'three');
      assert.equal(await token(), 'token-1');
      now += 11_000;
      broken = true;
      assert.equal(await token(), 'token-1');
      now += 11_000;
      broken = false;
      assert.equal(await token(), 'token-2');
      now += 11_000;
      assert.equal(await token(), 'token-2');
    });

    it('are not shown by what prints them', () => {
      assert.ok(!inspect(new Tokens(async () => credentials('c4n4ry')), { depth: 9 }).includes('c4n4ry'));
    });
  });
});
