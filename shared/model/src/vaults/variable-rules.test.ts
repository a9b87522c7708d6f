import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backends } from '@vaultplane/backends/backends.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import fc from 'fast-check';
import { BackendError } from '../errors/backend-error.ts';
import type { VaultConfig } from './entity.ts';
import { VariableRules, variableName } from './variable-rules.ts';

const OWN = [
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_TOKEN',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GCP_SERVICE_ACCOUNT',
  'GCE_METADATA_HOST',
  'CLOUDSDK_AUTH_ACCESS_TOKEN',
  'VAULTPLANE_VAULT_HCV_TOKEN',
  'KONG_VAULT_HCV_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'NODE_AUTH_TOKEN',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'VAULT_TOKEN',
  'BAO_TOKEN',
];

/** How an env vault with this configuration answers for a name; `undefined` where it has a value. */
async function answer(
  env: NodeJS.ProcessEnv,
  path: string,
  config: VaultConfig = {},
  variables?: VariableRules,
): Promise<string | undefined> {
  const backends = new Backends({
    env,
    ...(variables && { variables }),
    log: silentLog,
    trustedCertificates: [],
    deadlines: { connect: 1000, total: 1000 },
    counts: { calls: 0, errors: 0, throttled: 0 },
  });
  const backend = await backends.open('env', config, { origin: 'own' });
  try {
    const { signal } = new AbortController();
    const [many] = await backend.fetchMany([{ path, version: {} }], signal);
    const one = await backend.fetch({ path, version: {} }, signal).catch((error: BackendError) => error);
    assert.equal(one instanceof BackendError, many instanceof BackendError);
    return one instanceof BackendError ? `${one.code}: ${one.message}` : undefined;
  } finally {
    backends.stop();
  }
}

describe('environment variables as secrets', () => {
  for (const name of OWN) {
    it(`are not ${name}, which is answered alike whether or not it is set`, async () => {
      for (const spelling of [name, name.toLowerCase(), name.replaceAll('_', '-')]) {
        const set = await answer({ [name]: 'canary' }, spelling);
        assert.match(set!, /^access_denied: the environment variable [A-Z_]+ is the data plane's own/);
        assert.equal(await answer({}, spelling), set);
      }
      const [prefix, rest] = [name.slice(0, 3), name.slice(3)];
      assert.match((await answer({ [name]: 'canary' }, rest, { prefix }))!, /^access_denied/);
    });
  }

  it('are all others, also such as only look alike', async () => {
    for (const name of ['DB_PASSWORD', 'MY_AWS_KEY', 'AWSOME', 'NODES', 'PROXY_PASSWORD', 'VAULT_TOKENS']) {
      assert.equal(await answer({ [name]: 'v' }, name), undefined, name);
    }
  });

  it('are none that is a credential, from when on it is one', async () => {
    const credentials = new Set<string>();
    const rules = new VariableRules({ isCredential: (name) => credentials.has(name) });
    assert.equal(await answer({ HCV_TOKEN: 'v' }, 'hcv-token', {}, rules), undefined);
    credentials.add('HCV_TOKEN');
    const refused = await answer({ HCV_TOKEN: 'v' }, 'hcv-token', {}, rules);
    assert.match(refused!, /^access_denied: the environment variable HCV_TOKEN is a credential/);
    assert.equal(await answer({}, 'HCV_TOKEN', {}, rules), refused);
  });

  it('have no name with a zero byte or an equals sign, which the system would read as another', async () => {
    const rules = new VariableRules({ isCredential: (name) => name === 'HCV_TOKEN' });
    process.env.HCV_TOKEN = 'canary';
    try {
      for (const path of ['HCV_TOKEN\0', 'HCV_TOKEN\0x', 'HCV_TOKEN=x', 'HTTPS_PROXY\0x']) {
        assert.match((await answer(process.env, path, {}, rules))!, /^access_denied/, JSON.stringify(path));
      }
    } finally {
      delete process.env.HCV_TOKEN;
    }
  });

  for (const [prefix, path, held] of [
    [undefined, 'APP_X', true],
    [undefined, 'OTHER', false],
    ['APP_', 'X', true],
    ['app-', 'x', true],
    ['APP_SUB_', 'X', true],
    ['', 'APP_X', false],
    ['', 'OTHER', false],
    ['AP', 'P_X', false],
    ['OTHER_', 'X', false],
    ['SUB_', 'X', false],
  ] as const) {
    it(`under vault_env_prefix APP_ a prefix ${JSON.stringify(prefix)} ${held ? 'gives' : 'does not give'} ${path}`, async () => {
      const env = { APP_X: 'v', APP_SUB_X: 'v', OTHER: 'v', OTHER_X: 'v', SUB_X: 'v', X: 'v' };
      const rules = new VariableRules({ prefix: 'App-' });
      const said = await answer(env, path, prefix === undefined ? {} : { prefix }, rules);
      if (held) assert.equal(said, undefined);
      else assert.match(said!, /^access_denied: .*vault_env_prefix \(APP_\)/);
      assert.equal((await answer({}, path, prefix === undefined ? {} : { prefix }, rules)) === said, !held);
    });
  }

  it('are never outside of the rules, however a name is put together', () => {
    const text = fc.oneof(
      fc.constantFrom(...OWN.flatMap((name) => [name, name.toLowerCase(), name.slice(4), name.slice(0, 4)])),
      fc.string({ unit: fc.constantFrom('a', 'W', 's', 'ſ', 'ı', '_', '-', '\0', '=', 'proxy') }),
    );
    fc.assert(
      fc.property(text, text, fc.option(text, { nil: undefined }), (outer, path, prefix) => {
        const name = variableName(prefix ?? '', path);
        if (new VariableRules({ prefix: outer }).refusal(prefix, name) !== undefined) return;
        assert.ok(name.startsWith(variableName(outer, '')));
        assert.ok(!OWN.includes(name) && !/[\0=]/.test(name));
      }),
      { numRuns: 2000 },
    );
  });

  it('are any for the settings of the program itself', async () => {
    assert.equal(await answer({ AWS_TOKEN: 'v' }, 'AWS_TOKEN', { prefix: '' }, VariableRules.NONE), undefined);
  });
});
