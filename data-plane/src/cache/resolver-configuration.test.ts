import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { settled } from '@vaultplane/testkit/fake-clock.ts';
import { ResolverBench, shown } from './testing/resolver-bench.ts';

describe('a configuration', () => {
  it('that takes a vault away wipes its values at once, and only those', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    bench.configure({ one: {}, two: {} });
    await bench.many('{vault://one/a}', '{vault://two/a}');
    assert.equal(bench.resolver.counts().fresh, 2);
    bench.configure({ two: {} });
    assert.equal(bench.resolver.counts().fresh, 1);
    assert.equal(await bench.get('{vault://one/a}'), 'unknown_vault');
    bench.configure({ one: {}, two: {} });
    bench.vault.fallback = 'down';
    assert.deepEqual(await bench.many('{vault://one/a}', '{vault://two/a}'), ['unavailable', 'x']);
  });

  it('with a vault made anew under an old prefix is another vault', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'old' };
    bench.configure({ one: { id: 'first' } });
    await bench.get('{vault://one/a}');
    bench.vault.fallback = { value: 'new' };
    bench.configure({ one: { id: 'second' } });
    assert.equal(await bench.get('{vault://one/a}'), 'new');
  });

  for (const [field, value] of Object.entries({
    region: 'eu-west-1',
    endpoint_url: 'https://vpce.example',
    assume_role_arn: 'arn:aws:iam::123456789012:role/r',
    role_session_name: 'another',
    sts_endpoint_url: 'https://sts.example',
  })) {
    it(`with another ${field} makes other secrets`, async () => {
      const bench = new ResolverBench();
      bench.vault.fallback = { value: 'old' };
      bench.configure({ one: {} });
      await bench.get('{vault://one/a}');
      bench.configure({ one: { [field]: value } });
      assert.deepEqual(bench.resolver.counts(), { fresh: 0, stale: 0, resurrected: 0, negative: 0 });
      bench.vault.fallback = 'down';
      assert.equal(await bench.get('{vault://one/a}'), 'unavailable');
    });
  }

  it('with another region never serves what a reference that names the old region holds, nor takes it from that one', async () => {
    const named = '{vault://sm/a?region=us-east-1}';
    for (const order of [
      [named, '{vault://sm/a}'],
      ['{vault://sm/a}', named],
    ]) {
      const bench = new ResolverBench();
      bench.vault.set('a', { value: 'american' }, 'us-east-1');
      bench.vault.set('a', { value: 'european' }, 'eu-west-1');
      bench.configure({ sm: { region: 'us-east-1' } });
      for (const reference of order) assert.equal(await bench.get(reference), 'american');
      assert.equal(bench.vault.calls, 1);
      bench.configure({ sm: { region: 'eu-west-1' } });
      bench.vault.set('a', 'down', 'us-east-1');
      assert.equal(await bench.get('{vault://sm/a}'), 'european', `asked first: ${order[0]}`);
      assert.equal(await bench.get(named), 'american', `asked first: ${order[0]}`);
      // And is renewed from where it is of, whichever reference it was fetched for.
      bench.vault.set('a', { value: 'american, rotated' }, 'us-east-1');
      const renewed = await bench.resolver.resolve(named, { refresh: true });
      assert.equal(renewed.value, 'american, rotated', `asked first: ${order[0]}`);
      bench.configure({});
      assert.deepEqual(bench.resolver.counts(), { fresh: 0, stale: 0, resurrected: 0, negative: 0 });
    }
  });

  it('with another description, tag or lifetime keeps what is held', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    bench.configure({ one: { ttl: 5 } });
    await bench.get('{vault://one/a}');
    bench.vault.fallback = 'down';
    bench.configure({ one: { ttl: 500, neg_ttl: 1 } });
    await bench.at(400);
    assert.equal(await bench.get('{vault://one/a}'), 'x');
    assert.equal(bench.vault.calls, 1);
  });

  it('gives a vault without a region that of the settings, else that of the control plane', async () => {
    const own = new ResolverBench({ vault_aws_region: 'eu-west-1' });
    const none = new ResolverBench();
    for (const bench of [own, none]) {
      bench.configure({ one: {}, two: { region: 'sa-east-1' } }, { vault_aws_region: 'ap-south-1' });
      await bench.many('{vault://one/a}', '{vault://two/a}', '{vault://aws/a}', '{vault://two/a?region=eu-north-1}');
    }
    const regions = (bench: ResolverBench) => bench.vault.asked.map((asked) => asked.split(' ')[0]).sort();
    assert.deepEqual(regions(own), ['eu-north-1', 'eu-west-1', 'eu-west-1', 'sa-east-1']);
    assert.deepEqual(regions(none), ['ap-south-1', 'ap-south-1', 'eu-north-1', 'sa-east-1']);
  });

  it('with a vault that this build can not use works for the rest, and says which and why', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    bench.configure({
      good: {},
      newer: { name: 'quantum' },
      strange: { colour: 'red' },
      broken: { ttl: -1 },
      aws: { region: 'eu-west-1' },
    });
    assert.equal(await bench.get('{vault://good/a}'), 'x');
    for (const prefix of ['newer', 'strange', 'broken'])
      assert.equal(await bench.get(`{vault://${prefix}/a}`), 'unknown_vault');
    assert.equal(await bench.get('{vault://aws/a}'), 'x');
    assert.deepEqual(
      bench.resolver.rejectedVaults().map(({ prefix }) => prefix),
      ['aws', 'broken', 'newer', 'strange'],
    );
    assert.ok(bench.resolver.rejectedVaults().every(({ reason }) => reason.length > 10));
  });

  it('that comes while a lookup waits is the one that answers it', async () => {
    const bench = new ResolverBench();
    bench.configure({ one: { region: 'us-east-1' } });
    bench.vault.set('a', { value: 'old' }, 'us-east-1');
    bench.vault.set('a', { value: 'new' }, 'eu-west-1');
    const gate = Promise.withResolvers();
    bench.vault.gate = gate.promise;
    const moved = bench.get('{vault://one/a}');
    await settled();
    bench.vault.gate = null;
    bench.configure({ one: { region: 'eu-west-1' } });
    assert.equal(await moved, 'new');
    assert.equal(bench.vault.aborted, 1, 'the call that nobody wants any more is cut short');
    gate.resolve(null);

    bench.vault.gate = new Promise(() => {});
    const removed = bench.get('{vault://one/b}');
    await settled();
    bench.configure({});
    assert.equal(await removed, 'unknown_vault');
  });

  it('that comes again and again does not disturb what is held', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    for (let round = 0; round < 50; round++) {
      bench.configure({ one: { ttl: round + 1 } });
      assert.equal(await bench.get('{vault://one/a}'), 'x');
    }
    assert.equal(bench.vault.calls, 1);
  });
});

describe('stopping', () => {
  it('answers what waits, cuts short what is under way, and leaves nothing', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.fallback = { value: 'x' };
    await bench.get('{vault://aws/a}');
    bench.vault.gate = new Promise(() => {});
    const waiting = bench.get('{vault://aws/b}');
    await settled();
    await bench.resolver.stop();
    assert.equal(await waiting, 'unavailable');
    assert.equal(bench.vault.aborted, 1);
    assert.equal(bench.clock.pending, 0);
    assert.equal(await bench.get('{vault://aws/a}'), 'unavailable');
    assert.equal(bench.resolver.counts().fresh, 0);
  });
});

describe('a watch', () => {
  const recorded = (bench: ResolverBench, reference: string) => {
    const events: string[] = [];
    const stop = bench.resolver.watch(reference, (event) => {
      events.push(event instanceof VaultplaneError ? shown(event) : `${event.value} ${event.state}`);
    });
    return { events, stop };
  };

  it('tells the value, each rotation once, and each change of state', async () => {
    const bench = new ResolverBench();
    bench.configure({ one: { ttl: 10, resurrect_ttl: 20 } });
    bench.vault.set('a', { value: 'v1', id: '1' });
    const { events, stop } = recorded(bench, '{vault://one/a}');
    await settled();
    assert.deepEqual(events, ['v1 fresh']);
    await bench.at(25);
    assert.deepEqual(events, ['v1 fresh'], 'the same value again is no news');
    bench.vault.set('a', { value: 'v2', id: '2' });
    await bench.at(35);
    bench.vault.set('a', 'down');
    await bench.at(45);
    assert.deepEqual(events, ['v1 fresh', 'v2 fresh', 'v2 resurrected']);
    await bench.at(61);
    assert.deepEqual(events.at(-1), 'unavailable');
    bench.vault.set('a', { value: 'v3', id: '3' });
    await bench.at(200);
    assert.deepEqual(events.slice(3), ['unavailable', 'v3 fresh']);
    stop();
    bench.vault.set('a', { value: 'v4' });
    await bench.at(300);
    assert.equal(events.length, 5);
  });

  it('tells that a value is stale where its refresh does not answer', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.set('a', { value: 'v1' });
    const { events } = recorded(bench, '{vault://aws/a}');
    await settled();
    const gate = Promise.withResolvers();
    bench.vault.gate = gate.promise;
    await bench.at(12.1);
    assert.deepEqual(events, ['v1 fresh', 'v1 stale']);
    gate.resolve(null);
    await settled();
    assert.deepEqual(events.at(-1), 'v1 fresh');
  });

  it('tells one that joins what the others know, and goes on for them when it leaves', async () => {
    const bench = new ResolverBench({ vault_aws_ttl: 10 });
    bench.vault.set('a', { value: 'v1' });
    const first = recorded(bench, '{vault://aws/a}');
    await settled();
    const second = recorded(bench, '{vault://aws/a}');
    await settled();
    assert.deepEqual([first.events, second.events], [['v1 fresh'], ['v1 fresh']]);
    second.stop();
    second.stop();
    bench.vault.set('a', { value: 'v2' });
    await bench.at(11);
    assert.deepEqual([first.events.length, second.events.length], [2, 1]);
  });

  it('follows the configuration', async () => {
    const bench = new ResolverBench();
    bench.vault.set('a', { value: 'us' }, 'us-east-1');
    bench.vault.set('a', { value: 'eu' }, 'eu-west-1');
    const { events } = recorded(bench, '{vault://one/a}');
    await settled();
    bench.configure({ one: { region: 'us-east-1' } });
    await settled();
    bench.configure({ one: { region: 'eu-west-1' } });
    await settled();
    bench.configure({});
    await settled();
    assert.deepEqual(events, ['not_ready', 'us fresh', 'eu fresh', 'unknown_vault']);
  });

  it('of a missing secret asks again at longer and longer intervals', async () => {
    const bench = new ResolverBench();
    const { events } = recorded(bench, '{vault://aws/a}');
    await bench.at(120);
    assert.deepEqual(events, ['not_found']);
    assert.ok(bench.vault.calls <= 8, `${bench.vault.calls} calls`);
    bench.vault.set('a', { value: 'there' });
    await bench.at(240);
    assert.deepEqual(events, ['not_found', 'there fresh']);
  });
});

describe('what is kept over a restart', () => {
  it('is to be written anew at once when a vault goes or means other secrets, whatever is held of it by then', () => {
    const bench = new ResolverBench();
    const told: boolean[] = [];
    bench.resolver.continuity.onChange((urgent) => told.push(urgent));
    const toldBy = (vaults: Parameters<ResolverBench['configure']>[0]) => {
      told.length = 0;
      bench.configure(vaults);
      return told.includes(true);
    };
    const east = { region: 'us-east-1', ttl: 10 };
    assert.equal(toldBy({ one: east, two: east }), false, 'vaults that are new');
    assert.equal(toldBy({ one: { ...east, ttl: 20 }, two: east }), false, 'another lifetime');
    assert.equal(toldBy({ one: { ...east, region: 'eu-west-1' }, two: east }), true, 'another region');
    assert.equal(toldBy({ one: { ...east, region: 'eu-west-1' } }), true, 'a vault that is deleted');
    const id = 'another';
    assert.equal(toldBy({ one: { ...east, region: 'eu-west-1', id } }), true, 'another vault of the same name');
  });
});
