import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { getHeapSnapshot } from 'node:v8';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { deadlinesOf, OWN } from '@vaultplane/backends/backend.ts';
import { Backends } from '@vaultplane/backends/backends.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { createLog, silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { type Resolver, startResolver } from './resolver.ts';
import { DiskBench } from './testing/disk-bench.ts';
import { ResolverBench } from './testing/resolver-bench.ts';

/** How often a heap snapshot, which V8 takes after collecting garbage, holds a text that the test itself does not hold whole. */
async function heapHolds(halves: readonly [string, string]): Promise<boolean> {
  const needle = Buffer.concat([Buffer.from(halves[0]), Buffer.from(halves[1])]);
  let tail: Buffer = Buffer.alloc(0);
  let found = false;
  for await (const chunk of getHeapSnapshot()) {
    const window: Buffer = Buffer.concat([tail, chunk as Buffer]);
    found ||= window.includes(needle);
    tail = window.subarray(-needle.length);
  }
  return found;
}

/** A canary in two halves: whole it is only where it is put. */
function canary(): [string, string] {
  return [randomUUID(), randomUUID()];
}

function configure(resolver: Resolver, version: number, prefixes: string[]): void {
  const vaults = prefixes.map((prefix) => {
    const facts = {
      description: null,
      config: { region: 'us-east-1', ttl: 3600 },
      tags: null,
      created_at: 1,
      updated_at: 1,
    };
    return { id: prefix, prefix, name: 'aws', ...facts };
  });
  resolver.configure({ snapshot: makeSnapshot('t', version, vaults), defaults: {} });
}

describe('memory', () => {
  it('holds nothing of a vault that was deleted: real client, keys picked, a watch on it', async () => {
    await using emulator = await startEmulator();
    const halves = canary();
    emulator.putSecret('us-east-1', 'db', JSON.stringify({ user: 'u', password: halves.join('') }));
    const settings = { cache_max_entries: 100, cache_max_bytes: 1_000_000 };
    const resolver = startResolver({ clock: systemClock, log: silentLog, env: emulator.environment, settings });
    configure(resolver, 1, ['one', 'two']);
    const watched = Promise.withResolvers();
    const stop = resolver.watch('{vault://one/db/password}', () => watched.resolve(null));
    for (const reference of [
      '{vault://one/db/password}',
      '{vault://one/db}',
      '{vault://one/db?json_pointer=/password}',
    ]) {
      assert.ok((await resolver.resolve(reference)).value.includes(halves[1]));
    }
    await watched.promise;
    await resolver.resolveMany(['{vault://one/db/nope}', '{vault://one/nope/db}']);
    emulator.deleteSecret('us-east-1', 'db');
    emulator.clearSecrets();
    assert.ok(await heapHolds(halves), 'the test can see a value that is held');
    configure(resolver, 2, ['two']);
    await assert.rejects(async () => resolver.resolve('{vault://one/db/password}'), { code: 'unknown_vault' });
    assert.ok(!(await heapHolds(halves)), 'a value outlived its vault');
    stop();
    await resolver.stop();
  });

  it('holds nothing of a value that rotated, that expired, or that was evicted', async () => {
    const [rotated, expired, evicted] = [canary(), canary(), canary()];
    const bench = new ResolverBench({ cache_max_entries: 2, vault_aws_ttl: 10, vault_aws_resurrect_ttl: 10 });
    const set = (path: string, halves: [string, string]) =>
      bench.vault.set(path, { value: `{"k":"${halves.join('')}"}` });
    set('rotating', rotated);
    await bench.get('{vault://aws/rotating/k}');
    assert.ok(await heapHolds(rotated));
    bench.vault.set('rotating', { value: '{"k":"harmless"}' });
    await bench.at(11);
    set('evicted', evicted);
    await bench.get('{vault://aws/evicted/k}');
    set('expiring', expired);
    await bench.get('{vault://aws/expiring/k}');
    await bench.get('{vault://aws/rotating/k}');
    await bench.get('{vault://aws/expiring/k}');
    bench.vault.set('evicted', 'down');
    bench.vault.set('expiring', 'down');
    await bench.at(60);
    for (const halves of [rotated, expired, evicted]) assert.ok(!(await heapHolds(halves)));
    await bench.resolver.stop();
  });

  it('shows no value wherever an object that holds one is printed: answers, entries, errors, the engine itself', async () => {
    await using emulator = await startEmulator();
    const halves = canary();
    const value = halves.join('');
    emulator.putSecret('us-east-1', 'db', JSON.stringify({ password: value, user: 'u' }));
    const written: string[] = [];
    const log = createLog('test', 'debug', { write: (line) => written.push(line) });
    const settings = { cache_max_entries: 100, cache_max_bytes: 1_000_000, upstream_connect_timeout: 20 };
    const resolver = startResolver({ clock: systemClock, log, env: emulator.environment, settings });
    configure(resolver, 1, ['one']);
    const references = ['{vault://one/db/password}', '{vault://one/db}', '{vault://one/db/nope}', '{vault://one/no}'];
    const outcomes = await resolver.resolveMany(references);
    const backends = new Backends({
      env: emulator.environment,
      log,
      trustedCertificates: ['system'],
      deadlines: deadlinesOf(settings),
      counts: { calls: 0, errors: 0, throttled: 0 },
    });
    const backend = await backends.open('aws', { region: 'us-east-1' }, OWN);
    const fetched = await backend.fetch({ path: 'db', version: { stage: 'AWSCURRENT' } }, new AbortController().signal);
    assert.ok(fetched.value.reveal().includes(value), 'it is there');
    for (const object of [outcomes, resolver, fetched, { fetched }, backend, backends]) {
      const all = { depth: Infinity, showHidden: true, getters: false, maxStringLength: Infinity } as const;
      assert.ok(!inspect(object, all).includes(halves[1]), inspect(object, { depth: 1 }));
      assert.ok(!String(object).includes(halves[1]));
    }
    // Written out as JSON on purpose, an answer has its value only where a door puts it.
    assert.ok(!JSON.stringify([outcomes, fetched]).includes(halves[1]));
    assert.ok(!written.join('').includes(halves[1]));
    for (const credential of ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) {
      const text = emulator.environment[credential];
      if (text) assert.ok(!written.join('').includes(text));
    }
    backends.stop();
    await resolver.stop();
  });

  it('holds nothing of what was kept on disk, read from there again, and deleted or rotated then', async () => {
    const [deleted, rotated] = [canary(), canary()];
    const vaults = { one: { ttl: 10, resurrect_ttl: 1000 }, two: { ttl: 10, resurrect_ttl: 1000 } };
    const disk = await DiskBench.start(temporaryFolder(), vaults);
    disk.vault.set('deleted', { value: `{"k":"${deleted.join('')}"}` });
    disk.vault.set('rotated', { value: `{"k":"${rotated.join('')}"}` });
    await disk.bench.many('{vault://one/deleted/k}', '{vault://two/rotated/k}');
    disk.vault.scripts.clear();
    await disk.restart({ downSeconds: 1 });
    assert.ok(await heapHolds(deleted), 'the test can see a value that was read from disk');
    disk.vault.set('rotated', { value: '{"k":"harmless"}' });
    await disk.bench.clock.advance(15_000);
    assert.equal(await disk.get('{vault://two/rotated/k}'), 'harmless');
    disk.configure({ two: vaults.two });
    await disk.file.settled();
    for (const halves of [deleted, rotated]) assert.ok(!(await heapHolds(halves)));
    await disk.stop();
  });
});
