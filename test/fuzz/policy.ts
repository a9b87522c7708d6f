import '@vaultplane/testkit/toy-vault.ts';
import assert from 'node:assert/strict';
import type { SecretBackend } from '@vaultplane/backends/backend.ts';
import type { BackendSource } from '@vaultplane/backends/backends.ts';
import { Client } from '@vaultplane/data-plane/auth/client.ts';
import { Policy } from '@vaultplane/data-plane/auth/policy.ts';
import { startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { Lookups } from '@vaultplane/data-plane/endpoints/lookups.ts';
import { Refusals } from '@vaultplane/data-plane/limits/refusals.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import { identityOf } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';

/** Vaults by prefix. */
const VAULTS: Record<string, { name: string; config: VaultConfig }> = {
  'sm-one': { name: 'aws', config: { region: 'us-east-1' } },
  'sm-two': { name: 'aws', config: { region: 'eu-west-1' } },
  'gcp-sm': { name: 'gcp', config: { project_id: 'apps' } },
  'hcv-kv': { name: 'hcv', config: { kv: 'v2' } },
  'a-toy': { name: 'toy', config: { file: '/toys' } },
};
const NAMES = ['billing', 'billing/db', 'billing/db/x', 'app', 'app/billing', 'x', '*', 'db'];
const KEYS = ['x', 'db', 'y'];
/** What makes another secret of the same name, written down here and nowhere derived. */
const SCOPES: Record<string, readonly string[]> = {
  region: ['us-east-1', 'eu-west-1', 'eu-central-1'],
  project_id: ['apps', 'finance-prod'],
  realm: ['home', 'attic'],
};
const HARMLESS = ['ttl=1', 'neg_ttl=0', 'resurrect_ttl=5', 'json_pointer=/x', 'json_pointer=/db/x', 'version_id=1'];

/** What was really read: a member of a secret (null: the secret as a whole, or by a pointer), by options of a reference. */
interface Truth {
  vault: string;
  name: string;
  key: string | null;
  scope: Record<string, string>;
}

interface Input {
  patterns: string[];
  references: string[];
  /** Of the names above, by place: which are there, in all vaults. */
  present: boolean[];
  refresh: boolean;
  warm: boolean;
}

const segment = fc.constantFrom('billing', 'db', 'x', 'app', 'y', '%62illing', 'd%62', 'billing%2Fdb', '%2F', '', '*');
const option = fc.oneof(
  fc.constantFrom(...HARMLESS),
  fc
    .constantFrom(...Object.keys(SCOPES))
    .chain((name) => fc.constantFrom(...SCOPES[name]!).map((value) => `${name}=${value}`)),
  fc.constantFrom('re%67ion=eu-west-1', 'region=%65u-west-1', 'project_i%64=finance-prod', 'prefix=', 'host=x'),
);
const location = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));
const query = fc.uniqueArray(option, { maxLength: 2 }).map((all) => (all.length === 0 ? '' : `?${all.join('&')}`));
const text = (vault: fc.Arbitrary<string>) =>
  fc
    .tuple(vault, location, query, fc.constantFrom('', '', '', '#1', '#2'))
    .map(([prefix, path, options, version]) => `{vault://${prefix}/${path}${options}${version}}`);
const vaultName = fc.constantFrom(...Object.keys(VAULTS));
const pattern = fc.oneof(
  text(fc.oneof(vaultName, fc.constant('*'))),
  fc.tuple(vaultName, fc.constantFrom(...NAMES)).map(([vault, name]) => `{vault://${vault}/${name}*}`),
  fc.tuple(vaultName, fc.constantFrom(...NAMES)).map(([vault, name]) => `{vault://${vault}/${name}/*}`),
);
const inputs: fc.Arbitrary<Input> = fc.record({
  patterns: fc.array(pattern, { minLength: 1, maxLength: 3 }),
  references: fc.array(text(vaultName), { minLength: 1, maxLength: 6 }),
  present: fc.array(fc.boolean(), { minLength: NAMES.length, maxLength: NAMES.length }),
  refresh: fc.boolean(),
  warm: fc.boolean(),
});

/** Whatever a policy's client is given, by one or many, is of a secret that an independent reading of its patterns allows. */
export const policy: FuzzTarget = {
  name: 'policy',
  inputs: 'scenes',
  usual: 20_000,
  slice: 100,
  async attempt(seed, count) {
    const outcome = await fc.check(fc.asyncProperty(inputs, holds), { seed, numRuns: count });
    if (!outcome.failed) return undefined;
    return `${fc.stringify(outcome.counterexample?.[0])}: ${outcome.errorInstance}`;
  },
};

async function holds({ patterns, references, present, refresh, warm }: Input): Promise<void> {
  const valid = patterns.filter(isPattern);
  const there = NAMES.filter((_, index) => present[index]);
  const clock = new FakeClock(0);
  const backends = vaultsWith(there);
  const resolver = startResolver({
    clock,
    log: silentLog,
    env: {},
    settings: { cache_max_entries: 100, cache_max_bytes: 1_000_000 },
    backends,
  });
  const refusals = new Refusals(clock, silentLog);
  try {
    const entities = Object.entries(VAULTS).map(([prefix, { name, config }]) => ({
      ...{ id: prefix, prefix, name, description: null, tags: null, created_at: 1, updated_at: 1 },
      config,
    }));
    resolver.configure({ snapshot: makeSnapshot('t', 1, entities), defaults: {} });
    const lookups = new Lookups(resolver, refusals);
    const owner = new Client(clock, 'owner', null);
    const client = new Client(clock, 'app', new Policy(valid));
    // What an owner gets says what a reference really stands for.
    const whole = warm ? await lookups.many(owner, references, {}) : [];
    const given = await lookups.many(client, references, { refresh });
    const truth = warm ? whole : await lookups.many(owner, references, {});
    for (const [index, reference] of references.entries()) {
      const mine = given[index]!;
      const owned = truth[index]!;
      const one = await Promise.resolve()
        .then(() => lookups.one(client, reference, { refresh }))
        .catch((error: VaultplaneError) => error);
      for (const answer of [mine, one]) {
        if (answer instanceof VaultplaneError) {
          // Nothing of a secret that is not allowed shows in an error, be it that it has no such member.
          if (owned instanceof VaultplaneError || !/^(key_not|not_json)/.test(answer.code)) continue;
          assert.fail(`${reference} is ${answer.code} to one and a value to another`);
        }
        const read = truthOf(reference, answer.value, answer.reading);
        assert.ok(allows(valid, read), `${reference} gave ${answer.value}`);
      }
      if (owned instanceof VaultplaneError) continue;
      if (!allows(valid, truthOf(reference, owned.value, owned.reading))) continue;
      assert.ok(!(mine instanceof VaultplaneError), `${reference} is allowed, and was ${(mine as Error).message}`);
    }
  } finally {
    refusals.stop();
    await resolver.stop();
  }
}

function isPattern(text: string): boolean {
  try {
    new Policy([text]);
    return true;
  } catch (error) {
    assert.ok(error instanceof VaultplaneError, String(error));
    return false;
  }
}

/** Secrets whose values say which they are. */
function vaultsWith(names: readonly string[]): BackendSource {
  return {
    async open(type, config): Promise<SecretBackend> {
      const known = VAULT_TYPES.get(type)!;
      const identity = identityOf(known, withDefaults(known, config));
      const find = ({ path }: SecretQuery) => {
        if (!names.includes(path)) return new BackendError('not_found', `secret ${path}: not found`);
        const member = (key: string) => JSON.stringify([type, identity, path, key]);
        const secret = { ...Object.fromEntries(KEYS.map((key) => [key, member(key)])), nested: { x: member('x') } };
        const value = SecretValue.ofText(JSON.stringify(secret));
        return { value, version: { id: '1', stages: [] }, createdAt: null, arn: null, name: path };
      };
      return {
        scope: identity,
        description: type,
        fetch: async (query) => {
          const found = find(query);
          if (found instanceof BackendError) throw found;
          return found;
        },
        fetchMany: async (queries) => queries.map(find),
      };
    },
    stop() {},
  };
}

/** What a value is of, by the value itself. */
function truthOf(reference: string, value: string, reading: string): Truth {
  const [vault, , ...options] = piecesOf(reference);
  const isMember = /^\["/.test(value);
  const [, identity, name, key] = JSON.parse(
    isMember ? value : Object.values(JSON.parse(value) as object)[0],
  ) as string[];
  const scope: Record<string, string> = {};
  for (const pair of options) {
    const [option = '', chosen = ''] = pair;
    if (!(option in SCOPES)) continue;
    scope[option] = chosen;
    assert.ok(identity!.includes(JSON.stringify(chosen)), `${reference} was not read in ${chosen}: ${identity}`);
  }
  const byPointer = options.some(([option]) => option === 'json_pointer');
  assert.ok(reading.startsWith(`{vault://${vault}/`));
  return { vault: vault!, name: name!, key: isMember && !byPointer ? key! : null, scope };
}

/** The parts of a text of a reference, read without any code of the product: vault, path, and pairs of options. */
function piecesOf(text: string): [vault: string, path: string, ...options: Array<[string, string]>] {
  const [, vault = '', path = '', query = ''] =
    /^\{vault:\/\/([^/]+)\/([^?#]*)(?:\?([^#]*))?(?:#\d+)?\}$/.exec(text) ?? [];
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair): [string, string] => {
      const at = pair.indexOf('=');
      return at < 0
        ? [decodeURIComponent(pair), '']
        : [decodeURIComponent(pair.slice(0, at)), decodeURIComponent(pair.slice(at + 1))];
    });
  return [vault, path, ...pairs];
}

/** The oracle: whether patterns allow what was really read, by regular expressions. */
function allows(patterns: readonly string[], { vault, name, key, scope }: Truth): boolean {
  return patterns.some((text) => {
    const [allowedVault, path, ...options] = piecesOf(text);
    if (allowedVault !== '*' && allowedVault !== vault) return false;
    // An option of another vault type can stand in no reference to these vaults, so that such a pattern allows none.
    if (options.some(([option]) => !(option in SCOPES))) return false;
    const own = Object.fromEntries(options);
    for (const option of Object.keys(SCOPES)) if (own[option] !== scope[option]) return false;
    const segments = path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
    if (glob(segments.join('/')).test(name)) return true;
    if (key === null || segments.length < 2 || path.endsWith('/')) return false;
    const last = segments.pop()!;
    return !last.includes('*') && last === key && glob(segments.join('/')).test(name);
  });
}

function glob(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
