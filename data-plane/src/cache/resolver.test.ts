import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { settled } from '@vaultplane/testkit/fake-clock.ts';
import fc from 'fast-check';
import { ResolverBench, shown } from './testing/resolver-bench.ts';

const json = (value: object) => ({ value: JSON.stringify(value) });

describe('a lookup', () => {
  it('is synchronous where the value is held', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', json({ user: 'u', password: 'p' }));
    assert.equal(await bench.get('{vault://aws/db/user}'), 'u');
    const held = bench.resolver.resolve('{vault://aws/db/user}');
    assert.ok(!(held instanceof Promise));
    assert.equal(bench.resolver.resolve('{vault://aws/db/user}'), held, 'the same object, made once');
    const other = bench.resolver.resolve('{vault://aws/db/password}');
    assert.ok(!(other instanceof Promise), 'another key of a held secret needs no call');
    assert.equal(other.value, 'p');
    assert.equal(bench.vault.calls, 1);
  });

  it('says where its value is from and how long it holds', async () => {
    const bench = new ResolverBench();
    bench.configure({ my: { ttl: 60 } });
    bench.vault.set('db', { value: '{"k":"x"}', id: 'one' });
    const resolved = (await bench.outcome('{vault://my/db/k}')) as Exclude<
      Awaited<ReturnType<typeof bench.outcome>>,
      VaultplaneError
    >;
    assert.equal(resolved.reference, '{vault://my/db/k}');
    assert.equal(resolved.reading, '{vault://my/db/k}');
    assert.equal(resolved.vault, 'my');
    assert.deepEqual(resolved.version, { id: 'one', stages: ['AWSCURRENT'] });
    assert.equal(resolved.fetchedAt, bench.clock.now());
    assert.equal(resolved.expiresAt, bench.clock.now() + 60_000);
    assert.equal(resolved.encoding, undefined);
    const forever = (await bench.outcome('{vault://my/db/k?ttl=0}')) as typeof resolved;
    assert.equal(forever.expiresAt, null);
  });

  it('answers with a named error for whatever is wrong with the reference', async () => {
    const bench = new ResolverBench();
    const codes = {
      'no reference': 'not_a_reference',
      '{vault://aws}': 'invalid_reference',
      '{vault://aws/db?endpoint_url=http://x}': 'invalid_option',
      '{vault://aws/db?prefix=X}': 'invalid_option',
      '{vault://env/db?region=eu-west-1}': 'invalid_option',
      '{vault://aws/db#3}': 'unsupported_version',
      '{vault://env/db#3}': 'unsupported_version',
      '{vault://other/db}': 'not_ready',
      '{vault://hcv/db}': 'unknown_vault',
    };
    for (const [reference, code] of Object.entries(codes)) {
      assert.throws(() => bench.resolver.resolve(reference), { name: 'VaultplaneError', code }, reference);
    }
    bench.configure({});
    assert.throws(() => bench.resolver.resolve('{vault://other/db}'), { code: 'unknown_vault' });
    assert.equal(bench.vault.calls, 0);
  });

  it('takes version 1 and none for the same secret, and 2 for another', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', { value: 'x' });
    await bench.many(
      '{vault://aws/db}',
      '{vault://aws/db/#1}',
      '{vault://aws/db?version_stage=AWSCURRENT}',
      '{vault://aws/db#2}',
    );
    assert.deepEqual(bench.vault.asked.sort(), ['us-east-1 db AWSCURRENT', 'us-east-1 db AWSPREVIOUS']);
  });

  it('that is refused holds no value, whatever is done with it', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', json({ list: ['c4n4ry'], k: 'c4n4ry' }));
    const outcomes = await bench.resolver.resolveMany([
      '{vault://aws/db/list}',
      '{vault://aws/db/nope}',
      '{vault://aws/db/k}',
      '{vault://aws/db/}',
    ]);
    assert.deepEqual(outcomes.slice(0, 2).map(shown), ['key_not_scalar', 'key_not_found']);
    const printed = outcomes.map(
      (outcome) => inspect(outcome, { depth: 9, showHidden: true }) + JSON.stringify(outcome),
    );
    printed.push(
      inspect(bench.resolver, { depth: 20, showHidden: true }),
      JSON.stringify(bench.resolver),
      `${outcomes[0]}`,
    );
    for (const text of printed) assert.ok(!text.includes('c4n4ry'), text);
  });

  it('is never the value of another reference, however many were made while it was looked up', async () => {
    const bench = new ResolverBench({ cache_max_entries: 200 });
    bench.vault.set('slow', { value: 'slow' });
    bench.vault.fallback = { value: 'other' };
    const gate = Promise.withResolvers<void>();
    bench.vault.gate = gate.promise;
    const slow = bench.get('{vault://aws/slow}');
    await settled();
    bench.vault.gate = null;
    // More than are remembered: the one that is being looked up is given up, and its place taken.
    const others = Array.from({ length: 1500 }, (_, index) => `{vault://aws/other-${index}}`);
    await bench.many(...others);
    gate.resolve();
    assert.equal(await slow, 'slow');
    // The latest first: it is among them that the place went to another, and what is held is not evicted yet.
    for (const reference of others.reverse()) assert.equal(await bench.get(reference), 'other', reference);
  });

  it('with refresh gives what the vault answers from then on, though a call is under way that left before', async () => {
    const bench = new ResolverBench();
    bench.configure({ aws1: { ttl: 10 } });
    bench.vault.set('db', { value: 'old' });
    const gate = Promise.withResolvers<void>();
    bench.vault.gate = gate.promise;
    const first = bench.get('{vault://aws1/db}');
    await settled();
    bench.vault.set('db', { value: 'new' });
    const refreshes = Array.from({ length: 10 }, () => bench.get('{vault://aws1/db}', { refresh: true }));
    gate.resolve();
    bench.vault.gate = null;
    assert.equal(await first, 'old');
    assert.deepEqual(new Set(await Promise.all(refreshes)), new Set(['new']));
    assert.equal(bench.vault.calls, 2, 'one more call for all of them');
    assert.equal(bench.vault.mostInFlight, 1);
  });

  it('with refresh asks the vault, once for all that ask at the same time', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', { value: 'one' });
    assert.equal(await bench.get('{vault://aws/db}'), 'one');
    bench.vault.set('db', { value: 'two' });
    const values = await Promise.all(
      Array.from({ length: 10 }, () => bench.get('{vault://aws/db}', { refresh: true })),
    );
    assert.deepEqual(new Set(values), new Set(['two']));
    assert.equal(bench.vault.calls, 2);
    bench.vault.set('db', 'down');
    assert.equal(
      await bench.get('{vault://aws/db}', { refresh: true }),
      'two',
      'a held value outlives a refresh that fails',
    );
  });
});

describe('any input', () => {
  it('ends in a value or in an error with a code of the specification', async () => {
    const bench = new ResolverBench({ vault_aws_neg_ttl: 60 });
    bench.vault.set('db', json({ a: '1', __proto__: null, '': 'x' }));
    const part = fc.oneof(
      fc.constantFrom('db', 'a', '%2F', '/', '?', '#', '&', 'ttl=1', 'json_pointer=/a', '1', 'aws', 'env', '%'),
      fc.string(),
    );
    const reference = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 6 }).map((parts) => `{vault://aws/${parts.join('')}}`),
      fc.array(part, { maxLength: 6 }).map((parts) => `{vault://${parts.join('')}}`),
    );
    await fc.assert(
      fc.asyncProperty(reference, fc.boolean(), async (text, refresh) => {
        const outcome = await bench.outcome(text, { refresh });
        assert.ok(!(outcome instanceof VaultplaneError) || outcome.code !== 'internal');
        assert.equal(shown((await bench.resolver.resolveMany([text]))[0]!), shown(outcome));
      }),
      { numRuns: Number(process.env.VAULTPLANE_FUZZ_RUNS ?? 2000) },
    );
  });
});

describe('the second reading', () => {
  const REFERENCE = '{vault://aws/%2Fsecret/key}';

  for (const failure of ['not_found', 'denied'] as const) {
    it(`is tried where the first is ${failure}, and is remembered`, async () => {
      const bench = new ResolverBench();
      bench.vault.set('/secret', failure);
      bench.vault.set('/secret/key', { value: 'x' });
      const resolved = await bench.outcome(REFERENCE);
      assert.ok(!(resolved instanceof VaultplaneError));
      assert.deepEqual([resolved.value, resolved.reading], ['x', '{vault://aws/%2Fsecret/key/}']);
      assert.equal(bench.vault.calls, 2);
      assert.ok(!(bench.resolver.resolve(REFERENCE) instanceof Promise));
      assert.equal(bench.vault.calls, 2);
    });
  }

  it('is not tried where the first has the secret, with or without the key', async () => {
    const bench = new ResolverBench({ vault_aws_neg_ttl: 60 });
    bench.vault.set('a', json({ b: 'from the key' }));
    bench.vault.set('a/b', { value: 'from the path' });
    bench.vault.set('a/c', { value: 'from the path' });
    assert.deepEqual(await bench.many('{vault://aws/a/b}', '{vault://aws/a/c}'), ['from the key', 'key_not_found']);
    assert.deepEqual(bench.vault.asked, ['us-east-1 a AWSCURRENT']);
  });

  for (const [what, first] of [
    ['has no such key', json({ other: 'x' })],
    ['is no JSON object', { value: 'a text' }],
  ] as const) {
    it(`of a path with an encoded slash is tried too where the first one's secret ${what}`, async () => {
      const bench = new ResolverBench();
      bench.vault.set('/secret', first);
      bench.vault.set('/secret/key', { value: 'from the path' });
      const resolved = await bench.outcome(REFERENCE);
      assert.ok(!(resolved instanceof VaultplaneError));
      assert.deepEqual([resolved.value, resolved.reading], ['from the path', '{vault://aws/%2Fsecret/key/}']);
      assert.equal(await bench.get('{vault://aws/%2fsecret/key}'), 'from the path');
      assert.ok(!(bench.resolver.resolve(REFERENCE) instanceof Promise), 'it is remembered');
      assert.equal(await bench.get('{vault://aws/%2Fsecret/key/}'), 'from the path');
    });
  }

  it('of a path with an encoded slash is named with the first where neither holds', async () => {
    const bench = new ResolverBench();
    bench.vault.set('/secret', json({ other: 'x' }));
    const error = (await bench.outcome(REFERENCE)) as VaultplaneError;
    assert.equal(error.code, 'key_not_found');
    assert.match(
      error.message,
      /neither reading of the reference holds: the secret has no member "key"; secret \/secret\/key: not found/,
    );
    bench.vault.set('/secret/key', 'down');
    assert.equal(await bench.get(REFERENCE), 'unavailable');
  });

  it('of a path with an encoded slash is not tried where the first has the key, or something else under it', async () => {
    const bench = new ResolverBench();
    bench.vault.set('/secret', json({ key: 'from the key', list: [] }));
    bench.vault.set('/secret/key', { value: 'from the path' });
    bench.vault.set('/secret/list', { value: 'from the path' });
    assert.equal(await bench.get(REFERENCE), 'from the key');
    assert.equal(await bench.get('{vault://aws/%2Fsecret/list}'), 'key_not_scalar');
  });

  it('is not tried where the vault can not be reached', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = 'down';
    assert.equal(await bench.get('{vault://aws/a/b}'), 'unavailable');
    assert.equal(bench.vault.calls, 1);
  });

  it('is named beside the first in the error, which has the code of the first', async () => {
    const bench = new ResolverBench();
    bench.vault.set('a', 'denied');
    const error = (await bench.outcome('{vault://aws/a/b}')) as VaultplaneError;
    assert.equal(error.code, 'access_denied');
    assert.match(error.message, /secret a: access denied; secret a\/b: not found/);
  });

  it('is given up for the first one only when its secret has gone', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10, vault_aws_resurrect_ttl: 10 });
    bench.vault.set('a/b', { value: 'path' });
    assert.equal(await bench.get('{vault://aws/a/b}'), 'path');
    bench.vault.set('a', json({ b: 'key' }));
    bench.vault.set('a/b', 'not_found');
    await bench.at(15);
    assert.equal(await bench.get('{vault://aws/a/b}'), 'path');
    await bench.at(21);
    assert.equal(await bench.get('{vault://aws/a/b}'), 'key');
  });

  it('costs one call each where both are missing and neg_ttl says to remember', async () => {
    const bench = new ResolverBench({ vault_aws_neg_ttl: 60 });
    for (let round = 0; round < 3; round++) assert.equal(await bench.get('{vault://aws/a/b}'), 'not_found');
    assert.equal(bench.vault.calls, 2);
    assert.deepEqual(bench.resolver.counts(), { fresh: 0, stale: 0, resurrected: 0, negative: 2 });
  });
});

describe('a missing key', () => {
  it('is remembered for neg_ttl, then the secret is fetched again', async () => {
    const bench = new ResolverBench({ vault_aws_neg_ttl: 30 });
    bench.vault.set('db', json({ a: '1' }));
    assert.equal(await bench.get('{vault://aws/db/b}'), 'key_not_found');
    bench.vault.set('db', json({ a: '1', b: '2' }));
    await bench.at(29);
    assert.equal(await bench.get('{vault://aws/db/b}'), 'key_not_found');
    assert.equal(bench.vault.calls, 1);
    await bench.at(31);
    assert.deepEqual(await bench.many('{vault://aws/db/a}', '{vault://aws/db/b}'), ['1', '2']);
    assert.equal(bench.vault.calls, 2);
  });

  it('is asked for again at every lookup with neg_ttl 0, once for many at a time, and bounded while the vault is down', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', json({ a: '1' }));
    await bench.get('{vault://aws/db/a}');
    assert.deepEqual(await bench.many('{vault://aws/db/b}', '{vault://aws/db/c}'), ['key_not_found', 'key_not_found']);
    assert.equal(bench.vault.calls, 2);
    bench.vault.set('db', 'down');
    for (let round = 0; round < 50; round++) assert.equal(await bench.get('{vault://aws/db/b}'), 'key_not_found');
    assert.ok(bench.vault.calls <= 5, `${bench.vault.calls} calls`);
  });
});

describe('many references', () => {
  it('are answered in order, one that fails failing no other, the secrets of one vault by one call', async () => {
    const bench = new ResolverBench();
    bench.vault.set('a', { value: '1' });
    bench.vault.set('b', json({ k: '2' }));
    const references = ['{vault://aws/a}', 'rubbish', '{vault://aws/nope}', '{vault://aws/b/k}', '{vault://aws/a}'];
    assert.deepEqual(await bench.many(...references), ['1', 'not_a_reference', 'not_found', '2', '1']);
    assert.deepEqual(bench.vault.batches, [3]);
  });

  it('to one secret never mix its versions, though it rotates while another secret is waited for', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.set('db', json({ user: 'u1', password: 'p1' }));
    bench.vault.set('slow', { value: 's' });
    await bench.get('{vault://aws/db/user}');
    const gate = Promise.withResolvers();
    bench.vault.gate = gate.promise;
    const answers = bench.many(
      '{vault://aws/db/user}',
      '{vault://aws/slow}',
      '{vault://aws/db/password?resurrect_ttl=5}',
    );
    await settled();
    bench.vault.set('db', json({ user: 'u2', password: 'p2' }));
    await bench.at(11);
    gate.resolve(null);
    const [user, slow, password] = await answers;
    assert.deepEqual([user?.slice(1), slow], [password?.slice(1), 's']);
  });
});

describe('lifetimes of a reference', () => {
  it('that are a ttl rotate nothing for references without, and for all with the same', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', { value: 'one' });
    const references = [
      '{vault://aws/db}',
      '{vault://aws/db?ttl=0}',
      '{vault://aws/db?ttl=10}',
      '{vault://aws/db?ttl=10.0}',
    ];
    assert.deepEqual(await bench.many(...references), ['one', 'one', 'one', 'one']);
    assert.equal(bench.vault.calls, 1, 'in one batch');
    bench.vault.set('db', { value: 'two' });
    await bench.at(10.5);
    assert.deepEqual(await bench.many(...references), ['one', 'one', 'two', 'two']);
    assert.equal(bench.vault.calls, 2);
  });

  it('that are a ttl are those of a secret of their own, told as such', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 60 });
    bench.vault.set('db', { value: 'one' });
    await bench.many('{vault://aws/db}', '{vault://aws/db?ttl=60}', '{vault://aws/db?ttl=10}');
    const held = [...bench.resolver.inventory()].map(({ reference }) => reference);
    assert.deepEqual(held.sort(), ['{vault://aws/db?ttl=10}', '{vault://aws/db}']);
  });

  it('but for a ttl are no reason to hold a secret twice', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', { value: 'one' });
    await bench.many('{vault://aws/db}', '{vault://aws/db?neg_ttl=5}', '{vault://aws/db?resurrect_ttl=5}');
    assert.equal(bench.vault.calls, 1);
  });

  it('end its own use of a value that others go on using', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', { value: 'one' });
    await bench.many('{vault://aws/db}', '{vault://aws/db?ttl=10&resurrect_ttl=5}');
    bench.vault.set('db', 'down');
    await bench.at(12);
    assert.deepEqual(await bench.many('{vault://aws/db}', '{vault://aws/db?ttl=10&resurrect_ttl=5}'), ['one', 'one']);
    await bench.at(16);
    assert.deepEqual(await bench.many('{vault://aws/db}', '{vault://aws/db?ttl=10&resurrect_ttl=5}'), [
      'one',
      'unavailable',
    ]);
  });

  it('with resurrect_ttl 0 still let no lookup wait for a rotation', async () => {
    const bench = new ResolverBench();
    bench.vault.set('db', { value: 'one' });
    await bench.get('{vault://aws/db?ttl=100&resurrect_ttl=0}');
    bench.vault.set('db', { value: 'two' });
    await bench.at(99.9);
    await bench.at(100.1);
    const resolved = bench.resolver.resolve('{vault://aws/db?ttl=100&resurrect_ttl=0}');
    assert.ok(!(resolved instanceof Promise));
    assert.equal(resolved.value, 'two');
  });
});

describe('the clock', () => {
  it('set back keeps no value fresh for longer than its ttl', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.set('db', { value: 'one' });
    await bench.get('{vault://aws/db}');
    bench.vault.set('db', { value: 'two' });
    await bench.at(5);
    bench.clock.set(bench.clock.now() - 3_600_000);
    await bench.clock.advance(6000);
    assert.equal(await bench.get('{vault://aws/db}'), 'two');
    assert.equal(bench.vault.calls, 2);
  });

  it('set forward ages what is held', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.set('db', { value: 'one' });
    await bench.get('{vault://aws/db}');
    bench.clock.set(bench.clock.now() + 60_000);
    const resolved = await bench.outcome('{vault://aws/db}');
    assert.equal(!(resolved instanceof VaultplaneError) && resolved.state, 'stale');
  });
});
