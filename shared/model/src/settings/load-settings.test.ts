import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isLoopback, parseAddress, printAddress } from '@vaultplane/platform/net/network-address.ts';
import { isPlainUrl } from '@vaultplane/platform/net/plain-url.ts';
import { defineSettings } from '@vaultplane/platform/settings/settings.ts';
import { loadSettings } from './load-settings.ts';

const SCHEMA = defineSettings({
  data_dir: { type: 'path', default: './data', description: '' },
  log_level: { type: 'enum', values: ['info', 'debug'], default: 'info', description: '' },
  api_listen: { type: 'listen', default: '127.0.0.1:2773', description: '' },
  secrets_persist: { type: 'boolean', default: false, description: '' },
  cache_max_entries: { type: 'integer', min: 1, default: 10, description: '' },
  pg_password: { type: 'string', secret: true, match: /^\S+$/, description: '' },
  ssl_trusted_certificate: {
    type: 'list',
    default: ['system'],
    aliases: ['lua_ssl_trusted_certificate'],
    description: '',
  },
});

describe('settings', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vaultplane-settings-'));
  after(() => rmSync(directory, { recursive: true }));
  const file = (text: string): string => {
    const path = join(directory, 'vaultplane.conf');
    writeFileSync(path, text);
    return path;
  };
  const load = (text: string, env: NodeJS.ProcessEnv = {}) => loadSettings(SCHEMA, { confFile: file(text), env });

  it('gives the defaults of what is not set', async () => {
    const settings = await load('');
    assert.deepEqual(settings.api_listen, { host: '127.0.0.1', port: 2773 });
    assert.deepEqual(settings.ssl_trusted_certificate, ['system']);
    assert.equal(settings.pg_password, undefined);
  });

  it('reads key = value, comments, and another name of a key', async () => {
    const settings = await load(
      '# a comment\n  log_level = debug   # why\nlua_ssl_trusted_certificate=a.pem, system\n\nsecrets_persist = on\n',
    );
    assert.equal(settings.log_level, 'debug');
    assert.deepEqual(settings.ssl_trusted_certificate, ['a.pem', 'system']);
    assert.equal(settings.secrets_persist, true);
  });

  it('takes no variable of a Kubernetes Service for a setting, and says so once', async () => {
    const env = {
      VAULTPLANE_CACHE_MAX_ENTRIES: 'tcp://10.96.12.7:5432',
      KONG_API_LISTEN: 'udp://[fd00::7]:53',
      VAULTPLANE_CACHE_SERVICE_HOST: '10.96.12.7',
      VAULTPLANE_CACHE_SERVICE_PORT: '5432',
      VAULTPLANE_CACHE_SERVICE_PORT_HTTP: '5432',
      VAULTPLANE_CACHE_PORT_5432_TCP: 'tcp://10.96.12.7:5432',
      VAULTPLANE_CACHE_PORT_5432_TCP_ADDR: '10.96.12.7',
      VAULTPLANE_LOG_LEVEL: 'debug',
    };
    const lines: string[] = [];
    const options = { confFile: file('cache_max_entries = 7'), env, warn: (line: string) => lines.push(line) };
    for (let time = 0; time < 2; time++) {
      const settings = await loadSettings(SCHEMA, options);
      assert.deepEqual([settings.cache_max_entries, settings.log_level], [7, 'debug']);
      assert.equal(settings.api_listen.port, 2773);
    }
    assert.deepEqual(lines, [
      'WARNING: KONG_API_LISTEN, VAULTPLANE_CACHE_MAX_ENTRIES, VAULTPLANE_CACHE_PORT_5432_TCP, ' +
        'VAULTPLANE_CACHE_PORT_5432_TCP_ADDR and 3 more ignored, as variables of Kubernetes Services and no settings; ' +
        'enableServiceLinks: false in the pod keeps them out',
    ]);
  });

  it('puts the environment over the file, and VAULTPLANE_ over KONG_', async () => {
    const env = {
      KONG_DATA_DIR: 'kong',
      KONG_CACHE_MAX_ENTRIES: '7',
      VAULTPLANE_DATA_DIR: 'own',
      KONG_LUA_SSL_TRUSTED_CERTIFICATE: 'k.pem',
    };
    const settings = await load('data_dir = file\ncache_max_entries = 5', env);
    assert.equal(settings.data_dir, 'own');
    assert.equal(settings.cache_max_entries, 7);
    assert.deepEqual(settings.ssl_trusted_certificate, ['k.pem']);
  });

  it('refuses two names of one key with different values in one source', async () => {
    const both = (own: string, alias: string) =>
      `ssl_trusted_certificate = ${own}\nlog_level = info\nlua_ssl_trusted_certificate = ${alias}`;
    await assert.rejects(
      load(both('a.pem', 'canary.pem')),
      /^(?!.*canary).*:3: lua_ssl_trusted_certificate and ssl_trusted_certificate \(.*:1\) are names of one setting, and have different values; leave one out$/,
    );
    assert.deepEqual((await load(both('a.pem', 'a.pem'))).ssl_trusted_certificate, ['a.pem']);
    for (const prefix of ['KONG', 'VAULTPLANE']) {
      const env = { [`${prefix}_SSL_TRUSTED_CERTIFICATE`]: 'a', [`${prefix}_LUA_SSL_TRUSTED_CERTIFICATE`]: 'b' };
      await assert.rejects(load('', env), new RegExp(`${prefix}_LUA_SSL_TRUSTED_CERTIFICATE.*leave one out`));
    }
    // One source still goes before another, by whichever name.
    const env = { KONG_SSL_TRUSTED_CERTIFICATE: 'k', VAULTPLANE_LUA_SSL_TRUSTED_CERTIFICATE: 'v' };
    assert.deepEqual((await load('ssl_trusted_certificate = f', env)).ssl_trusted_certificate, ['v']);
  });

  it('skips a key that only the other program has', async () => {
    await load('admin_listen = 127.0.0.1:1');
  });

  const refusals: Array<[string, string, RegExp]> = [
    ['an unknown key, with the nearest right one', 'data_dri = x', /:1: unknown key data_dri; did you mean data_dir\?/],
    ['a line of another form', '\nnonsense', /:2: a line must have the form key = value/],
    [
      'a word that is not allowed',
      'log_level = debgu',
      /log_level = "debgu" is not allowed; it must be one of info, debug; did you mean debug\?/,
    ],
    ['a number out of bounds', 'cache_max_entries = 0', /cache_max_entries = "0" .* a whole number from 1/],
    ['a bad address', 'api_listen = 127.0.0.1', /it must be HOST:PORT/],
    ['a bad port', 'api_listen = 127.0.0.1:70000', /it must be HOST:PORT/],
    ['neither on nor off', 'secrets_persist = maybe', /it must be on or off/],
    [
      'a bad secret value, without showing it',
      'pg_password = canary value',
      /^(?!.*canary).*pg_password = \(not shown\)/,
    ],
  ];
  for (const [what, text, message] of refusals) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(load(text), { name: 'StartError', message });
    });
  }

  it('refuses a bad value of the environment by the name of its variable', async () => {
    await assert.rejects(load('', { KONG_LOG_LEVEL: 'loud' }), /KONG_LOG_LEVEL: log_level = "loud"/);
  });

  it('refuses a settings file that is named and not there', async () => {
    await assert.rejects(loadSettings(SCHEMA, { confFile: join(directory, 'none'), env: {} }), /can't be read/);
  });

  it('resolves values that are references, those to env first, and never shows what they gave', async () => {
    const asked: string[] = [];
    const settings = await loadSettings(SCHEMA, {
      confFile: file('data_dir = {vault://env/dir}\npg_password = {vault://aws/cp-db/password#2}'),
      env: {},
      resolveReference: (known) => async (reference) => {
        asked.push(`${reference} ${known.data_dir}`);
        return reference.startsWith('{vault://env') ? '/var/lib' : 'pw';
      },
    });
    assert.deepEqual(asked, ['{vault://env/dir} undefined', '{vault://aws/cp-db/password#2} /var/lib']);
    assert.equal(settings.pg_password, 'pw');
    await assert.rejects(
      loadSettings(SCHEMA, {
        confFile: file('log_level = {vault://env/x}'),
        env: {},
        resolveReference: () => async () => 'canary',
      }),
      /^(?!.*canary).*log_level = \(not shown\)/,
    );
  });
});

it('follows no reference that a vault has given for a setting', async () => {
  const asked: string[] = [];
  const load = loadSettings(SCHEMA, {
    env: { VAULTPLANE_PG_PASSWORD: '{vault://env/one}' },
    resolveReference: () => async (reference) => {
      asked.push(reference);
      return '{vault://aws/canary}';
    },
  });
  await assert.rejects(load, {
    name: 'StartError',
    message:
      'VAULTPLANE_PG_PASSWORD: pg_password = {vault://env/one} is not allowed: its value (not shown) is a reference itself, which is not followed',
  });
  assert.deepEqual(asked, ['{vault://env/one}']);
});

it('reads and prints addresses, IPv6 too', () => {
  for (const text of ['127.0.0.1:80', '[::1]:8001', 'host.example:1'])
    assert.equal(printAddress(parseAddress(text)!), text);
  for (const text of ['::1:80', 'host', ':80', 'a b:1', 'h:x']) assert.equal(parseAddress(text), undefined);
  assert.ok(isLoopback({ host: '127.1.2.3', port: 1 }) && isLoopback({ host: '::1', port: 1 }));
  assert.ok(!isLoopback({ host: '0.0.0.0', port: 1 }) && !isLoopback({ host: '127.evil.example', port: 1 }));
});

it('knows a URL that carries nothing but where to go', () => {
  for (const url of ['https://vpce.example', 'http://127.0.0.1:4566/base/path']) assert.ok(isPlainUrl(url), url);
  for (const url of ['not a url', 'ftp://x', 'https://u:p@x', 'https://x?y', 'https:x', 'https://x#y', ''])
    assert.ok(!isPlainUrl(url), url);
});
