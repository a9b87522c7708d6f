import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { parseReference } from '@vaultplane/model/references/reference.ts';
import { addressOf } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { type BackendContext, type FetchedSecret, OWN, type SecretBackend } from '../backend.ts';
import { Backends } from '../backends.ts';

type Awaitable<T> = T | Promise<T>;
/** Ends what a harness has begun. */
export type Undo = () => Awaitable<void>;

/**
 * A server of one vault type, real or emulated, as the tests of the contract need it: they put secrets into it and make it
 * misbehave. Names of secrets are small letters, digits and dashes; their texts are JSON objects, but for types
 * that are `plain`. A member that is optional and absent is a capability that the type lacks; `lacks` says why, and its
 * tests are absent.
 */
export interface BackendHarness {
  /** The vault type, as in VAULT_TYPES. */
  readonly type: string;
  readonly lacks: Partial<Record<Capability, string>>;
  /** Of a vault that may read all that is put; without the type's defaults. Asked anew for every backend that is opened. */
  config(): VaultConfig;
  /** The environment of the program that asks. */
  env(): NodeJS.ProcessEnv;
  /** Makes the secret, or gives it another value: a new version where the type has such. */
  put(path: string, text: string): Awaitable<void>;
  delete(path: string): Awaitable<void>;
  /** What a reference to the version before the current one has behind its path, such as `#2`. */
  previous?(path: string): string;
  /** What a reference to a version that never was has behind its path. */
  noVersion?(): string;
  /** From now on the vault may not read it. */
  deny?(path: string): Awaitable<void>;
  /** No connection can be made, or it is refused, until undone. */
  unreachable?(): Awaitable<Undo>;
  /** Calls for secrets get no answer until undone. `arrived` waits until one is under way. */
  silent?(): Awaitable<{ undo: Undo; arrived(): Promise<unknown> }>;
  /** Calls for secrets are answered with this text and status, which is no answer of such a server, until undone. */
  garbage?(text: string, status: number): Awaitable<Undo>;
  /** The server has an error of its own (5xx), until undone. */
  failing?(): Awaitable<Undo>;
  /** The server asks to be asked less, until undone. */
  throttling?(): Awaitable<Undo>;
  /** The credentials in use are good no more; the backend can have others by itself. */
  expireCredentials?(): Awaitable<void>;
  /** Calls for secrets that have reached the server. */
  calls?(): Awaitable<number>;
  /** Credentials and the like that must be in no error and no log line. */
  canaries(): readonly string[];
  /** Whether text that is no JSON object can be put. */
  readonly plain: boolean;
  stop(): Awaitable<void>;
}

/** What a type may be without. */
export type Capability =
  | 'plain'
  | 'digits'
  | 'previous'
  | 'noVersion'
  | 'deny'
  | 'unreachable'
  | 'silent'
  | 'garbage'
  | 'failing'
  | 'throttling'
  | 'expireCredentials'
  | 'calls';

/** Longer than the usual ones: a machine that is busy with other tests is no outage. */
const PATIENT = { connect: 20_000, total: 60_000 };
const CANARY = 'c4n4ry-value';

/** A backend of the harness's type, and what was logged by it. */
export interface OpenedBackend extends AsyncDisposable {
  backend: SecretBackend;
  logged: string[];
  counts: BackendContext['counts'];
  /** The query of a reference's path, such as `db#2`. */
  query(text: string): SecretQuery;
  read(text: string, signal?: AbortSignal): Promise<FetchedSecret>;
}

export async function openBackend(
  harness: BackendHarness,
  context: Partial<BackendContext> = {},
): Promise<OpenedBackend> {
  const type = VAULT_TYPES.get(harness.type)!;
  const logged: string[] = [];
  const counts = { calls: 0, errors: 0, throttled: 0 };
  const backends = new Backends({
    env: harness.env(),
    log: createLog('test', 'debug', { write: (line) => void logged.push(line) }),
    trustedCertificates: ['system'],
    deadlines: PATIENT,
    counts,
    ...context,
  });
  const config = withDefaults(type, harness.config());
  const backend = await backends.open(type.name, config, OWN);
  const query = (text: string) => {
    const reference = parseReference(`{vault://${type.name}/${text}}`);
    return addressOf(type, config, reference).readings[0].query;
  };
  return {
    backend,
    logged,
    counts,
    query,
    read: (text, signal = new AbortController().signal) => backend.fetch(query(text), signal),
    async [Symbol.asyncDispose]() {
      backends.stop();
    },
  };
}

/**
 * The tests that the backend of every vault type has to pass, against its server (issue 11.1). In the type's folder:
 *
 *     backendContract('hcv on OpenBao', () => startHcvHarness());
 *
 * What the layers above make of a backend is in data-plane/src/cache/testing/resolver-contract.ts, with the same harness.
 *
 * @param begin starts the server; whatever it throws fails the suite
 * @param skip why the suite can't be run on this machine
 */
export function backendContract(
  name: string,
  lacks: BackendHarness['lacks'],
  begin: () => Awaitable<BackendHarness>,
  skip?: string,
): void {
  describe(`backend contract: ${name}`, skip === undefined ? {} : { skip }, () => {
    let harness: BackendHarness;
    let opened: OpenedBackend;
    const undo: Undo[] = [];
    before(async () => {
      harness = await begin();
      opened = await openBackend(harness);
    });
    afterEach(async () => {
      for (const end of undo.splice(0)) await end();
    });
    after(async () => {
      await opened?.[Symbol.asyncDispose]();
      await harness?.stop();
    });

    const json = (value: unknown) => JSON.stringify(value);
    const failure = (reading: Promise<unknown>) =>
      reading.then(
        () => assert.fail('it was found'),
        (error: unknown) => {
          assert.ok(error instanceof BackendError, `${(error as Error)?.name}: ${(error as Error)?.message}`);
          return error;
        },
      );
    /** The test is there where the type has the capability. */
    const where = (capability: Capability, title: string, test: () => Promise<void>) => {
      if (lacks[capability] === undefined) it(title, test);
    };

    it('has what the type says that it has, and gives a reason for all that it lacks', () => {
      assert.deepEqual(harness.lacks, lacks);
      for (const capability of OPTIONAL) {
        assert.equal(harness[capability] !== undefined, lacks[capability] === undefined, capability);
      }
      assert.equal(harness.plain, lacks.plain === undefined);
    });

    it('finds a secret, and says which version it is and what it is called', async () => {
      await harness.put('found', json({ password: CANARY }));
      const found = await opened.read('found');
      assert.equal(found.value.pick({ key: 'password' }), CANARY);
      assert.ok(found.name.toLowerCase().replaceAll('_', '-').includes('found'), found.name);
      assert.ok(found.createdAt === null || Math.abs(found.createdAt - Date.now()) < 600_000, String(found.createdAt));
      assert.ok(!inspect(found, { depth: 9, showHidden: true }).includes(CANARY), 'a value hides itself');
    });

    where('digits', 'gives numbers of JSON digit for digit', async () => {
      await harness.put('digits', '{"pin":12345678901234567890,"rate":1.10}');
      const { value } = await opened.read('digits');
      assert.equal(value.pick({ key: 'pin' }), '12345678901234567890');
      assert.equal(value.pick({ key: 'rate' }), '1.10');
    });

    it('gives members of JSON', async () => {
      await harness.put('members', '{"port":5432,"on":true,"deep":{"a":"x"}}');
      const { value } = await opened.read('members');
      assert.equal(value.pick({ key: 'port' }), '5432');
      assert.equal(value.pick({ key: 'on' }), 'true');
      assert.equal(value.pick({ pointer: '/deep/a' }), 'x');
      assert.throws(() => value.pick({ key: 'deep' }), { code: 'key_not_scalar' });
      assert.throws(() => value.pick({ key: 'none' }), { code: 'key_not_found' });
    });

    where('plain', 'gives a text as it is', async () => {
      for (const [index, text] of ['plain', ' spaces \n', 'ümlaut 🔑', '{"broken"'].entries()) {
        await harness.put(`plain-${index}`, text);
        assert.equal((await opened.read(`plain-${index}`)).value.reveal(), text);
      }
      await harness.put('no-json', 'plain');
      const { value } = await opened.read('no-json');
      assert.throws(() => value.pick({ key: 'password' }), { code: 'not_json' });
    });

    it('says that a secret is missing, and that one is no more, and goes on', async () => {
      assert.equal((await failure(opened.read('missing'))).code, 'not_found');
      await harness.put('deleted', json({ password: 'one' }));
      await opened.read('deleted');
      await harness.delete('deleted');
      const error = await failure(opened.read('deleted'));
      assert.deepEqual([error.code, error.throttled], ['not_found', false]);
      await harness.put('found', json({ password: 'still' }));
      assert.equal((await opened.read('found')).value.pick({ key: 'password' }), 'still');
    });

    it('gives the value of now, and another version of it', async () => {
      await harness.put('rotated', json({ password: 'old' }));
      const before = await opened.read('rotated');
      await harness.put('rotated', json({ password: 'new' }));
      const after = await opened.read('rotated');
      assert.equal(after.value.pick({ key: 'password' }), 'new');
      if (before.version.id !== null) assert.notEqual(after.version.id, before.version.id);
    });

    where('previous', 'gives the version that a reference names', async () => {
      await harness.put('versions', json({ password: 'old' }));
      await harness.put('versions', json({ password: 'new' }));
      const previous = `versions${harness.previous!('versions')}`;
      assert.equal((await opened.read(previous)).value.pick({ key: 'password' }), 'old');
      const both = ['versions', previous].map((text) => opened.query(text));
      const results = await opened.backend.fetchMany(both, new AbortController().signal);
      assert.deepEqual(
        results.map((result) =>
          result instanceof BackendError ? result.code : result.value.pick({ key: 'password' }),
        ),
        ['new', 'old'],
      );
    });

    where('noVersion', 'knows no version that never was', async () => {
      await harness.put('versions', json({ password: 'one' }));
      assert.equal((await failure(opened.read(`versions${harness.noVersion!()}`))).code, 'not_found');
    });

    it('fetches many, each for itself, in their order', async () => {
      const paths = Array.from({ length: 30 }, (_, index) => `many-${index}`);
      for (const [index, path] of paths.entries()) {
        if (index !== 7) await harness.put(path, json({ password: path }));
      }
      const queries = [...paths, 'many-3'].map((text) => opened.query(text));
      const results = await opened.backend.fetchMany(queries, new AbortController().signal);
      assert.deepEqual(
        results.map((result) =>
          result instanceof BackendError ? result.code : result.value.pick({ key: 'password' }),
        ),
        [...paths.map((path, index) => (index === 7 ? 'not_found' : path)), 'many-3'],
      );
    });

    where('deny', 'says that a secret is denied, alone or among others', async () => {
      await harness.put('denied', json({ password: CANARY }));
      await harness.put('open', json({ password: 'one' }));
      await harness.deny!('denied');
      const error = await failure(opened.read('denied'));
      assert.deepEqual([error.code, error.throttled], ['access_denied', false], error.message);
      const queries = ['open', 'denied', 'open'].map((text) => opened.query(text));
      const results = await opened.backend.fetchMany(queries, new AbortController().signal);
      assert.deepEqual(
        results.map((result) => (result instanceof BackendError ? result.code : 'found')),
        ['found', 'access_denied', 'found'],
      );
    });

    for (const kind of ['unreachable', 'failing'] as const) {
      where(kind, `${kind}: says nothing about the secret, and finds it again as soon as it can`, async () => {
        await harness.put('found', json({ password: 'one' }));
        await opened.read('found');
        const end = await harness[kind]!();
        undo.push(end);
        assert.equal((await failure(opened.read('found'))).code, 'unavailable');
        const many = ['found', 'missing'].map((text) => opened.query(text));
        const results = await opened.backend.fetchMany(many, new AbortController().signal);
        assert.deepEqual(
          results.map((result) => (result instanceof BackendError ? result.code : 'found')),
          ['unavailable', 'unavailable'],
        );
        await undo.pop()!();
        assert.equal((await opened.read('found')).value.pick({ key: 'password' }), 'one');
      });
    }

    where('throttling', 'says that it is throttled', async () => {
      await harness.put('found', json({ password: 'one' }));
      undo.push(await harness.throttling!());
      const error = await failure(opened.read('found'));
      assert.deepEqual([error.code, error.throttled], ['unavailable', true]);
    });

    where('silent', 'gives up a call that is not answered in time', async () => {
      await harness.put('found', json({ password: 'one' }));
      await using impatient = await openBackend(harness, { deadlines: { connect: 20_000, total: 400 } });
      const { undo: end } = await harness.silent!();
      undo.push(end);
      assert.equal((await failure(impatient.read('found'))).code, 'unavailable');
    });

    where('silent', 'gives up a call that is cancelled, and none that was cancelled before is made', async () => {
      await harness.put('found', json({ password: 'one' }));
      await opened.read('found');
      const { undo: end, arrived } = await harness.silent!();
      undo.push(end);
      const abort = new AbortController();
      const reading = failure(opened.read('found', abort.signal));
      await arrived();
      abort.abort();
      assert.equal((await reading).code, 'unavailable');
      assert.equal((await failure(opened.read('found', AbortSignal.abort()))).code, 'unavailable');
    });

    where('garbage', 'repeats nothing of an answer that is none', async () => {
      await harness.put('found', json({ password: 'one' }));
      const bodies = [
        `<html>${CANARY}</html>`,
        `{"data":"${CANARY}"`,
        `{"data":{"data":"${CANARY}"}}`,
        `{"payload":{"data":"${CANARY}!"}}`,
        `{"errors":["${CANARY}"]}`,
        `"${CANARY}"`,
        `[${JSON.stringify(CANARY)}]`,
        'null',
        '',
      ];
      for (const status of [200, 500]) {
        for (const body of bodies) {
          const end = await harness.garbage!(body, status);
          undo.push(end);
          const error = await failure(opened.read('found'));
          assert.equal(error.code, 'unavailable', `${status} ${body}`);
          assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(CANARY), inspect(error));
          await undo.pop()!();
        }
      }
    });

    where('expireCredentials', 'has other credentials where they end in use, and nobody notices', async () => {
      await harness.put('found', json({ password: 'one' }));
      await opened.read('found');
      await harness.expireCredentials!();
      const values = await Promise.all(Array.from({ length: 20 }, () => opened.read('found')));
      assert.ok(values.every(({ value }) => value.pick({ key: 'password' }) === 'one'));
    });

    where('calls', 'makes one call a fetch, which is counted', async () => {
      await harness.put('found', json({ password: 'one' }));
      await opened.read('found');
      const [calls, counted] = [await harness.calls!(), opened.counts.calls];
      await opened.read('found');
      assert.equal((await harness.calls!()) - calls, 1);
      assert.equal(opened.counts.calls - counted, 1);
    });

    it('has logged no value and no credential', () => {
      const logged = opened.logged.join('');
      for (const text of [CANARY, ...harness.canaries()]) assert.ok(!logged.includes(text), text.slice(0, 4));
    });
  });
}

const OPTIONAL = [
  'previous',
  'noVersion',
  'deny',
  'unreachable',
  'silent',
  'garbage',
  'failing',
  'throttling',
  'expireCredentials',
  'calls',
] as const;
