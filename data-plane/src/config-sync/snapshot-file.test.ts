import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { snapshotOf } from '../testing/vault-entities.ts';
import {
  decodeSnapshotFile,
  encodeSnapshotFile,
  readSnapshotFile,
  type SavedConfiguration,
  SHORTEST_WRITE_INTERVAL_MS,
  SnapshotFile,
} from './snapshot-file.ts';

const SAVED: SavedConfiguration = {
  snapshot: snapshotOf(7, ['one', 'two']),
  defaults: { vault_aws_region: 'eu-west-1' },
  savedAt: 1_700_000_000_123,
};

const MAGIC_FORM_AT = 'vaultplane config.snapshot '.length;

describe('config.snapshot', () => {
  const folder = temporaryFolder();
  let files = 0;
  const newPath = () => join(folder, `config.snapshot-${files++}`);

  it('gives back what was written, and is for its owner only', async () => {
    const path = newPath();
    const file = new SnapshotFile({ path, clock: new FakeClock(), log: silentLog });
    file.save(SAVED);
    await file.stop();
    assert.deepEqual(await readSnapshotFile(path), SAVED);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.new')),
      [],
    );
  });

  it('is not there before anything was written', async () => {
    assert.equal(await readSnapshotFile(newPath()), undefined);
  });

  it('is refused when any one byte of it has changed, or it was cut at any place', () => {
    const whole = encodeSnapshotFile(SAVED);
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = flipped[at]! ^ 0x01;
      assert.throws(() => decodeSnapshotFile(flipped), { name: 'DamagedSnapshotFile' }, `byte ${at}`);
      assert.throws(() => decodeSnapshotFile(whole.subarray(0, at)), { name: 'DamagedSnapshotFile' }, `cut at ${at}`);
    }
  });

  it('of another form is refused by name', () => {
    const newer = Buffer.from(encodeSnapshotFile(SAVED));
    newer[MAGIC_FORM_AT] = 0x32;
    assert.throws(() => decodeSnapshotFile(newer), { message: 'it has form 2, which this release does not read' });
  });

  it('is refused when its snapshot is not what its own hash says, though the checksum fits', () => {
    const snapshot = { ...SAVED.snapshot, vaults: SAVED.snapshot.vaults.slice(1) };
    assert.throws(() => decodeSnapshotFile(encodeSnapshotFile({ ...SAVED, snapshot })), {
      name: 'DamagedSnapshotFile',
      message: 'the hash of version 7 is wrong',
    });
  });

  it('is written once for a burst of changes, with the newest', async () => {
    const path = newPath();
    const clock = new FakeClock();
    const file = new SnapshotFile({ path, clock, log: silentLog });
    const written: number[] = [];
    const next = () => new Promise<void>((resolve) => file.onWritten(() => resolve()));
    file.onWritten(({ snapshot }) => written.push(snapshot.version));
    const first = next();
    for (const version of [1, 2, 3, 4]) file.save({ ...SAVED, snapshot: snapshotOf(version, []) });
    await first;
    await clock.advance(SHORTEST_WRITE_INTERVAL_MS - 1);
    assert.deepEqual(written, [1]);
    const second = next();
    await clock.advance(1);
    await second;
    assert.deepEqual(written, [1, 4]);
    assert.equal((await readSnapshotFile(path))?.snapshot.version, 4);
    await file.stop();
  });

  it('is written before a stop has ended, also in the pause after the last write', async () => {
    const path = newPath();
    const file = new SnapshotFile({ path, clock: new FakeClock(), log: silentLog });
    const written = new Promise<void>((resolve) => file.onWritten(() => resolve()));
    file.save(SAVED);
    await written;
    file.save({ ...SAVED, snapshot: snapshotOf(8, []) });
    await file.stop();
    assert.equal((await readSnapshotFile(path))?.snapshot.version, 8);
  });

  it('that can not be written is an error in the log, and is tried again', async () => {
    const parent = newPath();
    const path = join(parent, 'config.snapshot');
    const clock = new FakeClock();
    const { log, lines } = recordedLog();
    const file = new SnapshotFile({ path, clock, log });
    file.save(SAVED);
    await file.stop();
    assert.match(file.error ?? '', /ENOENT/);
    assert.equal(lines()[0]?.level, 'error');
    mkdirSync(parent);
    file.save(SAVED);
    await file.stop();
    assert.equal(file.error, null);
    assert.ok(readFileSync(path).length > 0);
    rmSync(parent, { recursive: true });
  });

  it('that another write left behind half done beside it does no harm', async () => {
    const path = newPath();
    writeFileSync(`${path}.0123456789abcdef.new`, 'half', { mode: 0o666 });
    const file = new SnapshotFile({ path, clock: new FakeClock(), log: silentLog });
    file.save(SAVED);
    await file.stop();
    assert.deepEqual(await readSnapshotFile(path), SAVED);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });
});
