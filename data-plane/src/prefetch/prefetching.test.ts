import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Log, silentLog } from '@vaultplane/platform/logging/log.ts';
import { setReadOnly, smallDisk } from '@vaultplane/testkit/small-disk.ts';
import { ResolverBench } from '../cache/testing/resolver-bench.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { filesWith, temporaryFolder } from '../testing/temporary-folder.ts';
import { startPrefetching } from './prefetching.ts';
import { GATHER_MS, REFERENCES_FILE_NAME } from './references-file.ts';

const A = '{vault://one/a}';
const DAY_MS = 86_400_000;

describe('prefetching', () => {
  const folder = temporaryFolder();
  const newDataDir = () => mkdtempSync(join(folder, 'data-'));

  /** A program's life over a data directory, up to its stop. */
  async function live(
    dataDir: string,
    options: {
      prefetch?: string[];
      most?: number;
      log?: Log;
      at?: number;
      vaults?: Record<string, object> | null;
    } = {},
  ) {
    const bench = new ResolverBench({ cache_max_entries: options.most ?? 1000 });
    if (options.at !== undefined) bench.clock.set(options.at);
    const { vaults = { one: {} } } = options;
    if (vaults) bench.configure(vaults as never);
    bench.vault.fallback = { value: 'x' };
    const prefetching = await startPrefetching({
      settings: { data_dir: dataDir, cache_max_entries: options.most ?? 1000, prefetch: options.prefetch },
      resolver: bench.resolver,
      clock: bench.clock,
      random: () => 0.5,
      log: options.log ?? silentLog,
    });
    return {
      ...bench,
      bench,
      vault: bench.vault,
      clock: bench.clock,
      prefetching,
      async stop() {
        await prefetching.stop();
        await bench.resolver.stop();
        assert.equal(bench.clock.pending, 0);
      },
    };
  }

  it('after a restart fetches what was in use, in batches, so that the first lookup is a hit', async () => {
    const dataDir = newDataDir();
    const references = Array.from({ length: 45 }, (_, index) => `{vault://one/s${index}/k}`);
    const first = await live(dataDir);
    first.vault.fallback = { value: '{"k":"canary-of-prefetch"}' };
    await first.bench.many(...references);
    await first.stop();
    assert.deepEqual(readdirSync(dataDir), [REFERENCES_FILE_NAME]);
    assert.deepEqual(filesWith(dataDir, ['canary-of-prefetch']), []);

    const second = await live(dataDir);
    second.vault.fallback = { value: '{"k":"new"}' };
    assert.equal(second.vault.calls, 0);
    await second.clock.advance(2000);
    assert.deepEqual(second.vault.batches, [20, 20, 5]);
    assert.deepEqual(second.prefetching.facts(), { had: 45, waiting: 0, failed: [] });
    assert.deepEqual(new Set(await second.bench.many(...references)), new Set(['new']));
    assert.equal(second.vault.calls, 3);
    await second.stop();
  });

  it('keeps the names of a program that was killed, but for the last seconds', async () => {
    const dataDir = newDataDir();
    const first = await live(dataDir);
    await first.bench.get(A);
    while (!readdirSync(dataDir).includes(REFERENCES_FILE_NAME)) await first.clock.advance(GATHER_MS);
    const second = await live(dataDir);
    await second.clock.advance(1000);
    assert.deepEqual(second.prefetching.facts().had, 1);
    await first.stop();
    await second.stop();
  });

  it('keeps names only of what was found, and is used still', async () => {
    const dataDir = newDataDir();
    let at = Date.UTC(2026, 10, 24);
    const first = await live(dataDir, { at });
    first.vault.set('gone', 'not_found');
    await first.bench.many(A, '{vault://one/b}', '{vault://one/gone}', 'no reference', '{vault://nobody/a}');
    await first.stop();
    for (let day = 0; day < 9; day++) {
      at += DAY_MS;
      const next = await live(dataDir, { at });
      await next.clock.advance(1000);
      await next.bench.get(A);
      assert.equal(next.prefetching.facts().had, day < 7 ? 2 : 1, `day ${day}`);
      await next.stop();
    }
    // However long it was off, and wherever its clock stands now.
    for (const later of [1000 * DAY_MS, -5000 * DAY_MS]) {
      const next = await live(dataDir, { at: at + later });
      await next.clock.advance(1000);
      assert.equal(next.prefetching.facts().had, 1);
      await next.stop();
    }
  });

  it('takes a list that is damaged for none, and sets it aside', async () => {
    const dataDir = newDataDir();
    const path = join(dataDir, REFERENCES_FILE_NAME);
    const first = await live(dataDir);
    await first.bench.get(A);
    await first.stop();
    const good = readFileSync(path, 'utf8');
    for (const damaged of [
      '',
      good.slice(0, -3),
      good.replace('one/a', 'one/b'),
      good.replace('references 1', 'references 9'),
    ]) {
      writeFileSync(path, damaged);
      const next = await live(dataDir);
      assert.match(next.prefetching.diskProblem() ?? '', /was damaged .* set aside as/);
      await next.clock.advance(1000);
      assert.equal(next.vault.calls, 0);
      assert.equal(await next.bench.get(A), 'x');
      await next.stop();
      assert.match(readFileSync(path, 'utf8'), /^\["\{vault:\/\/one\/a\}",null,\d+\]$/m);
    }
    assert.ok(readdirSync(dataDir).some((name) => name.includes('.damaged-')));
  });

  it('on a disk that is read-only goes on without', async (t) => {
    const dataDir = smallDisk(t, 64 * 1024);
    if (!dataDir) return;
    setReadOnly(dataDir, true);
    const { bench, clock, prefetching, stop } = await live(dataDir);
    await bench.get(A);
    while (prefetching.diskProblem() === null) await clock.advance(GATHER_MS);
    assert.match(prefetching.diskProblem() ?? '', /^not written: EROFS/);
    await stop();
  });

  it('fetches what the setting names; what can not be had is one line in the log and fails nothing', async () => {
    const { log, lines } = recordedLog();
    const prefetch = [A, '{vault://one/missing}', '{vault://one/denied}', '{vault://nobody/a}', '{vault://one/json/k}'];
    const { bench, vault, clock, prefetching, stop } = await live(newDataDir(), { prefetch, log });
    vault.set('missing', 'not_found');
    vault.set('denied', 'denied');
    await clock.advance(60_000);
    assert.equal(prefetching.facts().had, 1);
    const failed = Object.fromEntries(prefetching.facts().failed.map(({ what, code }) => [what, code]));
    assert.deepEqual(failed, {
      '{vault://one/missing}': 'not_found',
      '{vault://one/denied}': 'access_denied',
      '{vault://nobody/a}': 'unknown_vault',
      '{vault://one/json/k}': 'not_json',
    });
    const told = lines().filter(({ msg }) => msg === 'could not be had in advance');
    assert.equal(told.length, 4);
    assert.ok(told.every(({ level }) => level === 'info'));
    const { calls } = vault;
    assert.equal(await bench.get(A), 'x');
    assert.equal(vault.calls, calls);
    await stop();
  });

  it('waits for a vault that can not be reached, ever longer, and has everything once it answers', async () => {
    const { log, lines } = recordedLog();
    const prefetch = Array.from({ length: 100 }, (_, index) => `{vault://one/s${index}}`);
    const { vault, clock, prefetching, stop } = await live(newDataDir(), { prefetch, log });
    vault.fallback = 'down';
    await clock.advance(10 * 60_000);
    assert.equal(prefetching.facts().waiting, 100);
    assert.ok(vault.calls > 5 && vault.calls < 60, `${vault.calls} calls in 10 minutes`);
    assert.ok(lines().filter(({ msg }) => msg === 'could not be had in advance').length <= 100);
    vault.fallback = { value: 'x' };
    await clock.advance(3 * 60_000);
    assert.deepEqual(prefetching.facts(), { had: 100, waiting: 0, failed: [] });
    await stop();
  });

  it('does not let one reference that can not be reached hold up the others', async () => {
    const prefetch = [
      '{vault://one/a?region=eu-west-1}',
      ...Array.from({ length: 60 }, (_, index) => `{vault://one/s${index}}`),
    ];
    const { vault, clock, prefetching, stop } = await live(newDataDir(), { prefetch });
    vault.set('a', 'down', 'eu-west-1');
    await clock.advance(5000);
    assert.deepEqual(prefetching.facts(), { had: 60, waiting: 1, failed: [] });
    await stop();
  });

  it('waits for the first configuration, and takes up what another one brings', async () => {
    const prefetch = [A, '{vault://two/a}', '{vault://aws/a}'];
    const { bench, vault, clock, prefetching, stop } = await live(newDataDir(), { prefetch, vaults: null });
    await clock.advance(60_000);
    assert.equal(prefetching.facts().had, 1);
    bench.configure({ one: {} });
    prefetching.configured();
    await clock.advance(1000);
    assert.equal(prefetching.facts().had, 2);
    bench.configure({ one: { region: 'eu-west-1' }, two: {} });
    prefetching.configured();
    await clock.advance(1000);
    assert.equal(prefetching.facts().had, 3);
    assert.deepEqual(
      vault.asked.map((asked) => asked.split(' ')[0]),
      ['us-east-1', 'us-east-1', 'eu-west-1', 'us-east-1'],
    );
    await stop();
  });

  it('fetches no more than the cache holds', async () => {
    const prefetch = Array.from({ length: 50 }, (_, index) => `{vault://one/s${index}}`);
    const { vault, clock, stop } = await live(newDataDir(), { prefetch, most: 10 });
    await clock.advance(10_000);
    assert.equal(new Set(vault.asked).size, 10);
    await stop();
  });

  it('has every secret with a tag, also those that get it later, and not those that lose it', async () => {
    const { log, lines } = recordedLog();
    const prefetch = ['tag:team=web@one', 'tag:team', 'tag:team@two'];
    const { bench, vault, clock, prefetching, stop } = await live(newDataDir(), {
      prefetch,
      vaults: { one: {}, two: { name: 'env' } },
      log,
    });
    vault.tagged = ({ key, value }) => (key === 'team' && value === 'web' ? ['web/a', '/web/b'] : []);
    await clock.advance(2000);
    const { calls } = vault;
    assert.deepEqual(await bench.many('{vault://one/web/a/}', '{vault://one/%2Fweb%2Fb}'), ['x', 'x']);
    assert.equal(vault.calls, calls);
    assert.deepEqual(
      prefetching.facts().failed.map(({ what, code }) => [what, code]),
      [['tag:team@two', 'bad_request']],
    );
    vault.tagged = () => ['web/c'];
    await clock.advance(20 * 60_000);
    assert.ok(vault.asked.includes('us-east-1 web/c AWSCURRENT'));
    assert.equal(prefetching.facts().had, 4);
    vault.tagged = () => 'denied';
    await clock.advance(20 * 60_000);
    assert.equal(lines().filter(({ code }) => code === 'access_denied').length, 2);
    await stop();
  });
});
