import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { setReadOnly, smallDisk } from '@vaultplane/testkit/small-disk.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { OTHER_TIMELINE, snapshotOf } from '../testing/vault-entities.ts';
import { openConfiguration, SNAPSHOT_FILE_NAME } from './configuration.ts';
import { loadNodeId } from './node-id.ts';

describe('the configuration in use', () => {
  const folder = temporaryFolder();
  const newDataDir = () => mkdtempSync(join(folder, 'data-'));

  it('is none at first, and after a restart what the control plane had sent', async () => {
    const dataDir = newDataDir();
    const clock = new FakeClock(5000);
    const first = await openConfiguration({ dataDir, clock, log: silentLog });
    assert.equal(first.current, null);
    first.accept(snapshotOf(1, ['a']), { vault_aws_region: 'eu-west-1' });
    await first.stop();
    await clock.advance(60_000);
    const second = await openConfiguration({ dataDir, clock, log: silentLog });
    assert.deepEqual(second.current, {
      snapshot: snapshotOf(1, ['a']),
      defaults: { vault_aws_region: 'eu-west-1' },
      source: 'disk',
      since: 5000,
    });
    assert.equal(second.diskProblem, null);
  });

  it('begins empty when the disk is damaged; the file is set aside, reported and not lost', async () => {
    const dataDir = newDataDir();
    const { log, lines } = recordedLog();
    const path = join(dataDir, SNAPSHOT_FILE_NAME);
    writeFileSync(path, 'no snapshot');
    const configuration = await openConfiguration({ dataDir, clock: new FakeClock(0), log });
    assert.equal(configuration.current, null);
    const aside = `${SNAPSHOT_FILE_NAME}.damaged-1970-01-01T00-00-00.000Z`;
    assert.deepEqual(readdirSync(dataDir), [aside]);
    assert.equal(readFileSync(join(dataDir, aside), 'utf8'), 'no snapshot');
    assert.match(configuration.diskProblem ?? '', /was damaged \(it .+\) and has been set aside as .+damaged-1970/);
    assert.equal(lines()[0]?.level, 'error');
  });

  it('begins empty where the disk can not be read at all, and says so', async () => {
    const dataDir = newDataDir();
    const { log, lines } = recordedLog();
    mkdirSync(join(dataDir, SNAPSHOT_FILE_NAME));
    const configuration = await openConfiguration({ dataDir, clock: new FakeClock(0), log });
    assert.equal(configuration.current, null);
    assert.match(configuration.diskProblem ?? '', /can't be read \(EISDIR/);
    assert.equal(lines()[0]?.level, 'error');
  });

  it('begins, on a disk that is read-only, without what is damaged there, and takes the control plane at its word', async (t) => {
    const dataDir = smallDisk(t, 64 * 1024);
    if (!dataDir) return;
    writeFileSync(join(dataDir, SNAPSHOT_FILE_NAME), 'no snapshot');
    setReadOnly(dataDir, true);
    const configuration = await openConfiguration({ dataDir, clock: new FakeClock(0), log: silentLog });
    assert.equal(configuration.current, null);
    assert.match(configuration.diskProblem ?? '', /was damaged .+ could not be set aside/);
    assert.equal(configuration.accept(snapshotOf(1, ['a']), {}), 'applied');
    await configuration.stop();
    assert.match(configuration.diskProblem ?? '', /^not written: EROFS/);
    assert.deepEqual(readdirSync(dataDir), [SNAPSHOT_FILE_NAME]);
  });

  it('that does not fit on a full disk is in use all the same; the disk keeps the older one', async (t) => {
    const dataDir = smallDisk(t, 64 * 1024);
    if (!dataDir) return;
    const clock = new FakeClock(0);
    const first = await openConfiguration({ dataDir, clock, log: silentLog });
    first.accept(snapshotOf(1, ['a']), {});
    await first.stop();
    writeFileSync(join(dataDir, 'filler'), Buffer.alloc(56 * 1024));
    const full = await openConfiguration({ dataDir, clock, log: silentLog });
    full.accept(snapshotOf(2, ['a', 'b', 'c', 'd', ...Array.from({ length: 50 }, (_, index) => `v${index}`)]), {});
    await full.stop();
    assert.equal(full.current?.snapshot.version, 2);
    assert.match(full.diskProblem ?? '', /^not written: ENOSPC/);
    const after = await openConfiguration({ dataDir, clock, log: silentLog });
    assert.equal(after.current?.snapshot.version, 1);
    assert.equal(after.diskProblem, null);
    await after.stop();
  });

  it('tells its listeners of what changed, and of nothing else', async () => {
    const configuration = await openConfiguration({ dataDir: newDataDir(), clock: new FakeClock(), log: silentLog });
    const seen: Array<[number, string | undefined]> = [];
    const stop = configuration.onChange(({ snapshot, defaults }) =>
      seen.push([snapshot.version, defaults.vault_aws_region]),
    );
    assert.equal(configuration.accept(snapshotOf(2, ['a']), {}), 'applied');
    assert.equal(configuration.accept(snapshotOf(2, ['a']), {}), 'confirmed');
    assert.equal(configuration.accept(snapshotOf(1, []), {}), 'older');
    assert.equal(configuration.accept(snapshotOf(2, ['a']), { vault_aws_region: 'eu-west-1' }), 'confirmed');
    assert.equal(configuration.accept(snapshotOf(1, [], OTHER_TIMELINE), {}), 'applied');
    stop();
    configuration.accept(snapshotOf(9, []), {});
    assert.deepEqual(seen, [
      [2, undefined],
      [2, 'eu-west-1'],
      [1, undefined],
    ]);
    await configuration.stop();
  });
});

describe('node-id', () => {
  const dataDir = temporaryFolder();

  it('is made once, and made anew with a word in the log when it is no UUID', async () => {
    const made = await loadNodeId(dataDir, silentLog);
    assert.match(made, /^[0-9a-f-]{36}$/);
    assert.equal(await loadNodeId(dataDir, silentLog), made);
    writeFileSync(join(dataDir, 'node-id'), 'mine');
    const { log, lines } = recordedLog();
    const anew = await loadNodeId(dataDir, log);
    assert.notEqual(anew, made);
    assert.equal(lines()[0]?.level, 'warn');
    assert.equal(await loadNodeId(dataDir, silentLog), anew);
  });
});
