import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { secretsKeyOf } from '@vaultplane/platform/crypto/secrets-key.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { setReadOnly, smallDisk } from '@vaultplane/testkit/small-disk.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { filesWith, temporaryFolder } from '../testing/temporary-folder.ts';
import { DiskBench } from './testing/disk-bench.ts';
import { JOURNAL_NAME, removeVaultFile, VAULT_FILE_INTERVAL_MS, VAULT_FILE_NAME } from './vault-file.ts';
import { JOURNAL_INTERVAL_MS } from './vault-journal.ts';

const ROLE = 'arn:aws:iam::123456789012:role/reader';
const A = '{vault://one/a}';
const LIFE = { ttl: 100, resurrect_ttl: 1000 };

describe('secrets.cache', () => {
  const folder = temporaryFolder();
  const newDataDir = () => mkdtempSync(join(folder, 'data-'));
  const start = (vaults: Parameters<typeof DiskBench.start>[1] = { one: LIFE }, options = {}) =>
    DiskBench.start(newDataDir(), vaults, options);

  describe('over a restart with the vault down', () => {
    it('goes on serving what was held, and calls none of it fresh: it may be an older value that somebody has put back', async () => {
      const disk = await start();
      disk.vault.set('a', { value: 'secret', id: 'v1' });
      await disk.get(A);
      const before = await disk.bench.resolver.resolve(A);
      disk.vault.fallback = 'down';
      disk.vault.scripts.clear();
      await disk.restart({ downSeconds: 40 });
      const after = await disk.bench.resolver.resolve(A);
      assert.deepEqual(JSON.parse(JSON.stringify(after)), { ...JSON.parse(JSON.stringify(before)), state: 'stale' });
      assert.equal(after.value, 'secret');
      assert.equal(disk.vault.calls, 0, 'no lookup waits for the vault');
      await disk.restart({ downSeconds: 60 });
      assert.equal(await disk.shown(A), 'secret stale');
      await disk.bench.clock.advance(2000);
      assert.equal(await disk.shown(A), 'secret resurrected');
      await disk.restart({ downSeconds: 5 });
      assert.equal(await disk.shown(A), 'secret resurrected', 'what has failed has failed');
      await disk.restart({ downSeconds: 990 });
      assert.equal(await disk.shown(A), 'secret resurrected');
      await disk.restart({ downSeconds: 3 });
      assert.equal(await disk.shown(A), 'unavailable');
      await disk.until(() => Object.keys(disk.onDisk()).length === 0);
      await disk.stop();
    });

    it('is stale where an older copy of it was put back, until the vault has answered', async () => {
      for (const life of [LIFE, { ttl: 0 }]) {
        const disk = await start({ one: life });
        const path = join(disk.dataDir, VAULT_FILE_NAME);
        disk.vault.set('a', { value: 'old', id: 'v1' });
        await disk.get(A);
        await disk.until(() => disk.file.facts().written === 1);
        const copy = readFileSync(path);
        disk.vault.set('a', { value: 'new', id: 'v2' });
        assert.equal(await disk.get(A, { refresh: true }), 'new');
        await disk.restart({ meanwhile: () => writeFileSync(path, copy) });
        disk.vault.set('a', { value: 'new', id: 'v2' });
        assert.equal(await disk.shown(A), 'old stale');
        await disk.bench.clock.advance(2000);
        assert.equal(await disk.shown(A), 'new fresh');
        await disk.stop();
      }
    });

    it('keeps a value that does not rotate for ever, and an evicted one not at all', async () => {
      const disk = await start({ one: { ttl: 0 } }, { settings: { cache_max_entries: 2 } });
      for (const path of ['a', 'b', 'c']) disk.vault.set(path, { value: path });
      await disk.get(A);
      await disk.get('{vault://one/b}');
      await disk.get('{vault://one/c}');
      disk.vault.scripts.clear();
      disk.vault.fallback = 'down';
      await disk.restart({ downSeconds: 1e9 });
      assert.deepEqual(await disk.bench.many('{vault://one/b}', '{vault://one/c}'), ['b', 'c']);
      assert.equal(await disk.get(A), 'unavailable');
      await disk.stop();
    });

    it('keeps what was used last where there is room for less', async () => {
      const disk = await start({ one: { ttl: 0 } });
      disk.vault.fallback = { value: 'x' };
      const references = ['a', 'b', 'c', 'd'].map((path) => `{vault://one/${path}}`);
      await disk.bench.many(...references);
      await disk.get(references[0]!);
      disk.vault.fallback = 'down';
      await disk.restart({ settings: { cache_max_entries: 2 } });
      assert.deepEqual(await disk.bench.many(references[0]!, references[3]!), ['x', 'x']);
      assert.equal(await disk.get(references[1]!), 'unavailable');
      await disk.stop();
    });

    it('knows keys, versions, regions, roles, second readings and binary values as before', async () => {
      const disk = await start({ one: { ...LIFE, allowed_role_arns: [ROLE] } });
      const { vault } = disk;
      vault.set('json', { value: '{"k":"picked","n":1.10}' });
      vault.set('/path/key', { value: 'by path' });
      vault.set('json', { value: '{"k":"there"}' }, 'eu-west-1');
      const references = [
        '{vault://one/json/k}',
        '{vault://one/json/n}',
        '{vault://one/json?json_pointer=/k}',
        '{vault://one/%2Fpath/key}',
        '{vault://one/json/k?region=eu-west-1}',
        '{vault://one/json/k#2}',
        '{vault://one/json/k?version_id=0123456789012345678901234567890123}',
      ];
      const before = await disk.bench.many(...references);
      assert.equal(await disk.get('{vault://one/json/k}', { roleArn: ROLE }), 'picked');
      vault.scripts.clear();
      vault.fallback = 'down';
      await disk.restart();
      assert.deepEqual(await disk.bench.many(...references), before);
      assert.equal(await disk.get('{vault://one/json/k}', { roleArn: ROLE }), 'picked');
      assert.equal(disk.vault.calls, 0);
      await disk.restart({ vaults: { one: LIFE } });
      assert.equal(await disk.get('{vault://one/json/k}', { roleArn: ROLE }), 'access_denied');
      assert.equal(await disk.get('{vault://one/json/k}'), 'picked');
      await disk.stop();
    });

    it('goes by the lifetimes of today: of a reference, and of a vault that has others now', async () => {
      const disk = await start();
      disk.vault.fallback = { value: 'x' };
      await disk.bench.many('{vault://one/a?ttl=10&resurrect_ttl=10}', '{vault://one/b}');
      disk.vault.fallback = 'down';
      await disk.restart({ downSeconds: 21, vaults: { one: { ttl: 20, resurrect_ttl: 1000 } } });
      assert.equal(await disk.shown('{vault://one/a?ttl=10&resurrect_ttl=10}'), 'unavailable');
      assert.equal(await disk.shown('{vault://one/b}'), 'x stale');
      await disk.stop();
    });

    it('does not trust a clock that was set back', async () => {
      const disk = await start();
      disk.vault.set('a', { value: 'x' });
      await disk.get(A);
      disk.vault.set('a', 'down');
      await disk.restart({ downSeconds: 150, clockSeconds: -100_000 });
      assert.equal(await disk.shown(A), 'x stale', 'as old as the boot clock says');
      await disk.restart({ downSeconds: 1000, clockSeconds: -100_000 });
      assert.equal(await disk.shown(A), 'unavailable');
      await disk.stop();
    });

    it('gives up short-lived values where the clock was set back and the machine booted, and calls no other fresh', async () => {
      const disk = await start({ short: LIFE, long: { ttl: 100 }, never: { ttl: 0 } });
      disk.vault.fallback = { value: 'x' };
      const references = ['{vault://short/a}', '{vault://long/a}', '{vault://never/a}'];
      await disk.bench.many(...references);
      disk.vault.fallback = 'down';
      await disk.restart({ downSeconds: 60, clockSeconds: -1000, rebooted: true });
      assert.deepEqual(await Promise.all(references.map((reference) => disk.shown(reference))), [
        'unavailable',
        'x stale',
        'x stale',
      ]);
      await disk.stop();
    });

    it('knows that a clock was set back also where nothing has been written for long, killed or not', async () => {
      for (const killed of [false, true]) {
        const disk = await start({ one: { ttl: 100 } });
        disk.vault.fallback = { value: 'x' };
        await disk.get(A);
        await disk.until(() => disk.file.facts().written === 1);
        disk.vault.fallback = 'down';
        // As long as these, and so the clock stands where it stood when the file was written.
        await disk.bench.clock.advance(60_000);
        await disk.file.settled();
        await disk.restart({ downSeconds: 60, clockSeconds: -119, rebooted: true, killed });
        assert.equal(await disk.shown(A), 'x stale', killed ? 'killed' : 'stopped');
        await disk.stop();
      }
    });

    it('takes a clock that was set forward for time gone by', async () => {
      const disk = await start();
      disk.vault.set('a', { value: 'x' });
      await disk.get(A);
      disk.vault.set('a', 'down');
      await disk.restart({ clockSeconds: 500 });
      assert.equal(await disk.shown(A), 'x stale');
      await disk.restart({ clockSeconds: 700, rebooted: true });
      assert.equal(await disk.shown(A), 'unavailable');
      await disk.stop();
    });

    it('never serves the old value where region, endpoint, role or the vault itself is another now', async () => {
      const disk = await start({ one: { ...LIFE, id: 'id-1' } });
      const changes: Array<Parameters<DiskBench['configure']>[0]> = [
        { one: { ...LIFE, id: 'id-1', region: 'eu-west-1' } },
        { one: { ...LIFE, id: 'id-1', endpoint_url: 'http://127.0.0.1:1' } },
        { one: { ...LIFE, id: 'id-1', assume_role_arn: ROLE } },
        { one: { ...LIFE, id: 'id-2' } },
        { other: { ...LIFE, id: 'id-3' } },
      ];
      for (const vaults of changes) {
        await disk.restart({ vaults: { one: { ...LIFE, id: 'id-1' } } });
        disk.vault.fallback = { value: 'old' };
        await disk.get(A, { refresh: true });
        disk.vault.fallback = 'down';
        await disk.restart({ vaults });
        assert.match(await disk.get(A), /^(unavailable|unknown_vault)$/);
        await disk.until(() => Object.keys(disk.onDisk()).length === 0);
      }
      disk.vault.fallback = { value: 'old' };
      await disk.restart({ vaults: { one: LIFE } });
      await disk.get(A);
      disk.vault.fallback = 'down';
      await disk.restart({ surroundings: 'elsewhere' });
      assert.equal(await disk.get(A), 'unavailable');
      await disk.stop();
    });

    it('waits for the configuration where that is late; vaults of the settings do not', async () => {
      const settings = { vault_aws_region: 'us-east-1', vault_aws_ttl: 100, vault_aws_resurrect_ttl: 1000 };
      const disk = await start({ one: LIFE }, { settings });
      disk.vault.fallback = { value: 'x' };
      await disk.bench.many(A, '{vault://aws/a}');
      disk.vault.fallback = 'down';
      await disk.restart({ noSnapshot: true });
      assert.equal(await disk.get('{vault://aws/a}'), 'x');
      assert.equal(await disk.get(A), 'not_ready');
      await disk.restart({ noSnapshot: true, downSeconds: 50 });
      disk.configure({ one: LIFE });
      assert.equal(await disk.shown(A), 'x stale');
      await disk.bench.clock.advance(50_000);
      assert.equal(await disk.shown(A), 'x resurrected');
      await disk.stop();
    });

    it('asks for what is overdue in a spread, together, and serves meanwhile', async () => {
      let seed = 1;
      const random = () => {
        seed = (seed * 48_271) % 2_147_483_647;
        return seed / 2_147_483_647;
      };
      const disk = await start({ one: LIFE }, { random });
      disk.vault.fallback = { value: 'x' };
      const references = Array.from({ length: 800 }, (_, index) => `{vault://one/s${index}}`);
      await disk.bench.many(...references);
      await disk.restart({ downSeconds: 200 });
      const { clock } = disk.bench;
      assert.equal(disk.vault.calls, 0);
      assert.deepEqual(new Set(await disk.bench.many(...references)), new Set(['x']));
      await clock.advance(1000);
      assert.ok(disk.vault.asked.length > 100 && disk.vault.asked.length < 700, `${disk.vault.asked.length} at once`);
      await clock.advance(4000);
      assert.equal(new Set(disk.vault.asked).size, 800);
      assert.ok(disk.vault.calls < 40, `${disk.vault.calls} calls`);
      await disk.stop();
    });
  });

  it('is written at once, then at most once in 5 s, and not where nothing has changed', async () => {
    const disk = await start();
    const path = join(disk.dataDir, VAULT_FILE_NAME);
    disk.vault.fallback = { value: 'x' };
    await disk.get('{vault://one/s0}');
    await disk.until(() => disk.file.facts().written === 1);
    const first = readFileSync(path);
    for (let index = 1; index < 100; index++) await disk.get(`{vault://one/s${index}}`);
    await disk.bench.clock.advance(VAULT_FILE_INTERVAL_MS - 1);
    // A difference of thousands of bytes is not for assert to print.
    assert.ok(readFileSync(path).equals(first));
    await disk.bench.clock.advance(1);
    await disk.until(() => disk.file.facts().written === 100);
    const second = readFileSync(path);
    disk.vault.fallback = 'down';
    for (let round = 0; round < 5; round++) {
      await disk.get('{vault://one/other}');
      await disk.bench.clock.advance(VAULT_FILE_INTERVAL_MS);
      await disk.file.settled();
    }
    assert.ok(readFileSync(path).equals(second));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await disk.stop();
  });

  it('lacks nothing that was served where the process was killed a moment later, however long the file is not written', async () => {
    const disk = await start({ one: LIFE, two: LIFE });
    const b = '{vault://one/b}';
    disk.vault.fallback = { value: 'first', id: 'v1' };
    await disk.bench.many(A, b, '{vault://two/c}');
    await disk.until(() => disk.file.facts().written === 3);
    const journals = () => readdirSync(disk.dataDir).filter((name) => name.startsWith(JOURNAL_NAME));
    await disk.file.settled();
    assert.deepEqual(journals(), [], 'the file has all');
    const first = readFileSync(join(disk.dataDir, VAULT_FILE_NAME));
    for (const [value, id] of [
      ['second', 'v2'],
      ['third', 'v3'],
    ] as const) {
      disk.vault.set('a', { value, id });
      assert.equal(await disk.get(A, { refresh: true }), value);
      await disk.bench.clock.advance(JOURNAL_INTERVAL_MS);
      await disk.file.settled();
    }
    // The same again is nothing new.
    const size = () => statSync(join(disk.dataDir, journals()[0]!)).size;
    const before = size();
    await disk.get(A, { refresh: true });
    await disk.bench.clock.advance(JOURNAL_INTERVAL_MS);
    await disk.file.settled();
    assert.deepEqual([journals().length, size()], [1, before]);
    assert.ok(readFileSync(join(disk.dataDir, VAULT_FILE_NAME)).equals(first));

    disk.vault.scripts.clear();
    disk.vault.fallback = 'down';
    await disk.restart({ killed: true });
    assert.equal(await disk.shown(A), 'third stale');
    assert.equal(await disk.shown(b), 'first stale');
    await disk.until(() => disk.file.facts().written === 3);
    await disk.file.settled();
    assert.deepEqual(journals(), [], 'the file has all again');
    assert.equal(disk.onDisk().a, 'third');

    // What has to go goes from the journal as well.
    disk.vault.fallback = { value: 'fourth', id: 'v4' };
    await disk.get('{vault://two/c}', { refresh: true });
    await disk.file.settled();
    assert.equal(journals().length, 1);
    disk.configure({ one: LIFE });
    await disk.until(() => disk.file.facts().written === 2);
    await disk.file.settled();
    assert.deepEqual(journals(), []);
    await disk.stop();
  });

  it('is written at once where nothing had to be written before', async () => {
    const disk = await start();
    disk.vault.fallback = 'down';
    await disk.get('{vault://one/missing}');
    await disk.file.settled();
    disk.vault.fallback = { value: 'x' };
    await disk.get(A);
    // No time goes by on the clock.
    await disk.until(() => disk.file.facts().written === 1);
    await disk.stop();
  });

  it("loses a deleted vault's values at once, and those that expire soon", async () => {
    // However often the clock has to be moved on until the disk has caught up.
    const lasting = { ttl: 100, resurrect_ttl: 100_000_000 };
    const disk = await start({ one: lasting, two: { ttl: 10, resurrect_ttl: 10 }, three: LIFE });
    disk.vault.fallback = { value: 'x' };
    await disk.bench.many('{vault://one/in-one}', '{vault://two/in-two}', '{vault://three/in-three}');
    await disk.until(() => disk.file.facts().written === 3);
    disk.configure({ one: lasting, two: { ttl: 10, resurrect_ttl: 10 } });
    // No time goes by on the clock.
    await disk.until(() => disk.file.facts().written === 2);
    assert.deepEqual(Object.keys(disk.onDisk()).sort(), ['in-one', 'in-two']);
    disk.vault.fallback = 'down';
    await disk.bench.clock.advance(20_000);
    await disk.until(() => disk.file.facts().written === 1, VAULT_FILE_INTERVAL_MS);
    assert.deepEqual(Object.keys(disk.onDisk()), ['in-one']);
    await disk.stop();
  });

  it('holds no value in the clear, and none of the environment at all', async () => {
    const canaries = ['canary-text-7f3a', 'canary-member-7f3a', 'canary-environment-7f3a'];
    const disk = await start({ one: LIFE, vars: { name: 'env' } });
    disk.vault.set('a', { value: canaries[0]! });
    disk.vault.set('b', { value: JSON.stringify({ k: canaries[1] }) });
    await disk.bench.many(A, '{vault://one/b/k}');
    disk.vault.fallback = { value: canaries[2]! };
    assert.equal(await disk.get('{vault://vars/c}'), canaries[2]);
    await disk.restart();
    assert.deepEqual(Object.keys(disk.onDisk()).sort(), ['a', 'b']);
    const encoded = canaries.flatMap((text) => [text, Buffer.from(text).toString('base64').slice(0, 16)]);
    assert.deepEqual(filesWith(disk.dataDir, encoded), []);
    assert.deepEqual(readdirSync(disk.dataDir), [VAULT_FILE_NAME]);
    await disk.stop();
  });

  it('that is of no use is set aside, told of, and never half used; the next one is good', async () => {
    const other = secretsKeyOf(randomBytes(32));
    const damages: Array<[what: string, (file: Buffer) => Buffer, Parameters<DiskBench['restart']>[0]?]> = [
      ['another key', (file) => file, { key: other }],
      ['another node', (file) => file, { nodeId: 'node-2' }],
      ['ends too early|authentication', (file) => file.subarray(0, file.length / 2)],
      ['empty', () => Buffer.alloc(0)],
      ['does not begin', () => Buffer.from('{"secrets":[]}\n\n')],
      [
        'form 0',
        (file) => Buffer.from(file.toString('latin1').replace('secrets.cache 1', 'secrets.cache 0'), 'latin1'),
      ],
      ['authentication', (file) => file.fill(file.at(-40)! ^ 1, file.length - 40, file.length - 39)],
    ];
    for (const [what, damage, restart] of damages) {
      const { log, lines } = recordedLog();
      const disk = await start({ one: LIFE }, { log });
      const path = join(disk.dataDir, VAULT_FILE_NAME);
      disk.vault.fallback = { value: 'x' };
      await disk.bench.many(A, '{vault://one/b}');
      await disk.until(() => disk.file.facts().written === 2);
      disk.vault.fallback = 'down';
      const damaged = damage(readFileSync(path));
      writeFileSync(path, damaged);
      await disk.restart({ ...restart, killed: true });
      assert.deepEqual(await disk.bench.many(A, '{vault://one/b}'), ['unavailable', 'unavailable'], what);
      assert.match(disk.file.facts().problem ?? '', new RegExp(`\\(.*(${what}).*has been set aside as`));
      assert.equal(lines().filter(({ level }) => level === 'error').length, 1);
      const aside = readdirSync(disk.dataDir).find((name) => name.startsWith(`${VAULT_FILE_NAME}.damaged-`));
      assert.deepEqual(readFileSync(join(disk.dataDir, aside!)), damaged);
      await disk.bench.clock.advance(120_000);
      disk.vault.fallback = { value: 'new' };
      assert.equal(await disk.get(A), 'new');
      await disk.restart();
      assert.equal(disk.file.facts().problem, null);
      assert.equal(await disk.get(A), 'new');
      await disk.stop();
    }
  });

  it('on a disk that is full, then read-only, is told of; nothing is lost meanwhile but what must be', async (t) => {
    const dataDir = smallDisk(t, 128 * 1024);
    if (!dataDir) return;
    const disk = await DiskBench.start(dataDir, { one: LIFE, two: LIFE });
    const { clock } = disk.bench;
    disk.vault.fallback = { value: 'x'.repeat(20_000) };
    await disk.get(A);
    await disk.until(() => disk.file.facts().written === 1);
    writeFileSync(join(dataDir, 'filler'), Buffer.alloc(72 * 1024));
    for (const path of ['b', 'c', 'd']) await disk.get(`{vault://two/${path}}`);
    await clock.advance(VAULT_FILE_INTERVAL_MS);
    await disk.until(() => disk.file.facts().problem !== null);
    assert.match(disk.file.facts().problem ?? '', /^not written: ENOSPC/);
    // What is new may have room in the journal.
    const names = readdirSync(dataDir).filter((name) => !name.startsWith(JOURNAL_NAME));
    assert.deepEqual(names.sort(), ['filler', VAULT_FILE_NAME]);
    assert.deepEqual(Object.keys(disk.onDisk()), ['a']);
    assert.equal((await disk.get('{vault://two/d}')).length, 20_000, 'what is not on disk is served all the same');

    disk.configure({ two: LIFE });
    await disk.until(() => readdirSync(dataDir).join() === 'filler');
    rmSync(join(dataDir, 'filler'));
    await disk.until(() => disk.file.facts().problem === null, 1000);
    assert.deepEqual(Object.keys(disk.onDisk()).sort(), ['b', 'c', 'd']);

    setReadOnly(dataDir, true);
    await disk.get('{vault://two/e}');
    await clock.advance(VAULT_FILE_INTERVAL_MS);
    await disk.until(() => disk.file.facts().problem !== null);
    assert.match(disk.file.facts().problem ?? '', /^not written: EROFS/);
    disk.vault.fallback = 'down';
    await disk.restart();
    assert.equal((await disk.get('{vault://two/d}')).length, 20_000, 'a disk that is read-only can be read');
    await disk.restart({ key: secretsKeyOf(randomBytes(32)) });
    assert.match(disk.file.facts().problem ?? '', /not written: EROFS|another key.* not be set aside/);
    assert.equal(await disk.get('{vault://two/d}'), 'unavailable');
    setReadOnly(dataDir, false);
    await disk.stop();
  });

  it('is removed where values are not to be kept any more', async () => {
    const disk = await start();
    disk.vault.fallback = { value: 'x' };
    await disk.get(A);
    await disk.stop();
    assert.equal((await removeVaultFile(disk.dataDir, silentLog)).problem, null);
    assert.deepEqual(readdirSync(disk.dataDir), []);
    assert.equal((await removeVaultFile(disk.dataDir, silentLog)).problem, null);
  });
});
