import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { setReadOnly, smallDisk } from '@vaultplane/testkit/small-disk.ts';
import { createLog, silentLog } from '../logging/log.ts';
import { PacedFile } from './paced-file.ts';

describe('a paced file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-paced-'));
  after(() => rmSync(folder, { recursive: true }));
  let files = 0;
  const open = (options: Partial<ConstructorParameters<typeof PacedFile>[0]> = {}) => {
    const clock = new FakeClock();
    const path = join(folder, `file-${files++}`);
    return {
      clock,
      file: new PacedFile({ path, clock, log: silentLog, intervalMs: 1000, failure: 'failed', ...options }),
    };
  };
  const written = (file: PacedFile, content: string, urgent = false) =>
    new Promise<void>((resolve) => file.save(() => content, { urgent, onWritten: resolve }));

  it('is written at once, then at most once an interval, with the newest', async () => {
    const { clock, file } = open();
    await written(file, 'one');
    const made: string[] = [];
    for (const text of ['two', 'three']) {
      file.save(() => {
        made.push(text);
        return text;
      });
    }
    await clock.advance(999);
    assert.deepEqual(made, []);
    const last = written(file, 'four');
    await clock.advance(1);
    await last;
    assert.equal(readFileSync(file.path, 'utf8'), 'four');
    assert.deepEqual(made, [], 'content that is not written is not made');
    await file.stop();
    assert.equal(clock.pending, 0);
  });

  it('that is big is written less often', async () => {
    const { clock, file } = open({ bytesPerSecond: 100 });
    await written(file, 'x'.repeat(1000));
    const next = written(file, 'y');
    await clock.advance(9_999);
    assert.equal(readFileSync(file.path, 'utf8')[0], 'x');
    await clock.advance(1);
    await next;
    assert.equal(readFileSync(file.path, 'utf8'), 'y');
    await file.stop();
  });

  it('does not wait where it is urgent, and finishes nothing that is older', async () => {
    const { file } = open();
    await written(file, 'one');
    await written(file, 'two', true);
    assert.equal(readFileSync(file.path, 'utf8'), 'two');

    const { file: other } = open();
    await written(other, 'held');
    const { promise: making, resolve: go } = Promise.withResolvers<string>();
    let superseded = () => false;
    const slow = open().file;
    slow.save((newer) => {
      superseded = newer;
      return making;
    });
    const urgent = written(slow, 'without it', true);
    assert.ok(superseded());
    go('must not reach the disk');
    await urgent;
    assert.equal(readFileSync(slow.path, 'utf8'), 'without it');
    await Promise.all([file.stop(), other.stop(), slow.stop()]);
  });

  it('is written before a stop has ended, and never after it', async () => {
    const { file } = open();
    await written(file, 'one');
    file.save(() => 'two');
    await file.stop();
    file.save(() => 'three');
    assert.equal(readFileSync(file.path, 'utf8'), 'two');
  });

  it('that had nothing to write is written at once when it has', async () => {
    const { clock, file } = open();
    file.save(() => null);
    await file.settled();
    await written(file, 'one');
    // While it was found that there is nothing, something came.
    await clock.advance(1000);
    file.save(() => null);
    await written(file, 'two');
    assert.equal(readFileSync(file.path, 'utf8'), 'two');
    await file.stop();
  });

  it('that has nothing to write is left as it is', async () => {
    const { file } = open();
    file.save(() => null);
    await file.stop();
    assert.throws(() => statSync(file.path), { code: 'ENOENT' });
  });

  it('that can not be written is said once, tried again, and then is well', async () => {
    const lines: string[] = [];
    const path = join(folder, 'missing', 'file');
    const { clock, file } = open({ path, log: createLog('test', 'info', { write: (line) => void lines.push(line) }) });
    file.save(() => 'content');
    while (file.error === null) await new Promise((resolve) => setImmediate(resolve));
    assert.match(file.error, /ENOENT/);
    const { promise: again, resolve } = Promise.withResolvers<void>();
    let tries = 0;
    file.save(
      () => {
        tries++;
        return 'content';
      },
      { onWritten: resolve },
    );
    while (tries < 3) await clock.advance(10_000);
    assert.equal(lines.length, 1);
    mkdirSync(join(folder, 'missing'));
    while (file.error !== null) await clock.advance(10_000);
    await again;
    assert.equal(readFileSync(path, 'utf8'), 'content');
    await file.stop();
  });

  it('on a full disk keeps the old content, leaves no half of the new, and goes on when there is room', async (t) => {
    const disk = smallDisk(t, 64 * 1024);
    if (!disk) return;
    const { clock, file } = open({ path: join(disk, 'file') });
    await written(file, 'old');
    writeFileSync(join(disk, 'filler'), Buffer.alloc(48 * 1024));
    file.save(() => 'n'.repeat(40 * 1024));
    while (file.error === null) await clock.advance(1000);
    assert.match(file.error, /ENOSPC/);
    assert.equal(readFileSync(file.path, 'utf8'), 'old');
    assert.deepEqual(readdirSync(disk).sort(), ['file', 'filler']);
    rmSync(join(disk, 'filler'));
    while (file.error !== null) await clock.advance(10_000);
    assert.equal(statSync(file.path).size, 40 * 1024);
    await file.stop();
  });

  it('on a full disk gives up the old content where that must not stay', async (t) => {
    const disk = smallDisk(t, 64 * 1024);
    if (!disk) return;
    const { clock, file } = open({ path: join(disk, 'file') });
    await written(file, 'must go');
    writeFileSync(join(disk, 'filler'), Buffer.alloc(56 * 1024));
    file.save(() => 'n'.repeat(40 * 1024), { urgent: true });
    while (readdirSync(disk).includes('file')) await clock.advance(0);
    assert.match(file.error ?? '', /ENOSPC/);
    rmSync(join(disk, 'filler'));
    while (file.error !== null) await clock.advance(10_000);
    await file.stop();
  });

  it('in a directory that is read-only is reported, and goes on when that is over', async (t) => {
    const disk = smallDisk(t, 64 * 1024);
    if (!disk) return;
    const { clock, file } = open({ path: join(disk, 'file') });
    await written(file, 'old');
    setReadOnly(disk, true);
    file.save(() => 'new', { urgent: true });
    while (file.error === null) await clock.advance(1000);
    assert.match(file.error, /EROFS/);
    assert.equal(readFileSync(file.path, 'utf8'), 'old');
    setReadOnly(disk, false);
    while (file.error !== null) await clock.advance(10_000);
    assert.equal(readFileSync(file.path, 'utf8'), 'new');
    await file.stop();
  });
});
