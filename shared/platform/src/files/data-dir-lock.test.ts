import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DataDirInUse, DataDirLock } from './data-dir-lock.ts';

describe('the lock of a data_dir', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-lock-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is held by one, and free again when that one gives it up', async () => {
    const lock = await DataDirLock.take(directory, 'the.lock');
    await assert.rejects(DataDirLock.take(directory, 'the.lock'), (error: Error) => {
      assert.ok(error instanceof DataDirInUse);
      assert.ok(error.message.includes(`${directory} is in use`));
      return true;
    });
    await lock.release();
    await (await DataDirLock.take(directory, 'the.lock')).release();
    assert.deepEqual(readdirSync(directory), []);
  });

  it('is held by exactly one of many that want it at once', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => DataDirLock.take(directory, 'the.lock')));
    const held = tries.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    assert.equal(held.length, 1);
    await held[0]!.release();
  });

  it('is taken over from a process that was killed, and not from one that lives', async () => {
    const holder = new URL('./data-dir-lock.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { DataDirLock } = await import(${JSON.stringify(holder)});
         await DataDirLock.take(${JSON.stringify(directory)}, 'the.lock');
         console.log('held');
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    await assert.rejects(DataDirLock.take(directory, 'the.lock'), DataDirInUse);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const tries = await Promise.allSettled(Array.from({ length: 5 }, () => DataDirLock.take(directory, 'the.lock')));
    const held = tries.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    assert.equal(held.length, 1);
    await held[0]!.release();
  });

  it('is waited for where its holder is stopping, for a time', async () => {
    const first = await DataDirLock.take(directory, 'the.lock');
    const wait = { waitMs: 10_000 };
    await assert.rejects(DataDirLock.take(directory, 'the.lock', wait), DataDirInUse);
    first.stopping();
    await assert.rejects(DataDirLock.take(directory, 'the.lock'), DataDirInUse);
    await assert.rejects(DataDirLock.take(directory, 'the.lock', { waitMs: 100 }), DataDirInUse);
    const waiting = Promise.withResolvers<void>();
    const second = DataDirLock.take(directory, 'the.lock', { ...wait, onWait: waiting.resolve });
    await waiting.promise;
    await first.release();
    await (await second).release();
  });

  it('works in a directory whose path is too long for a socket', { skip: process.platform !== 'linux' }, async () => {
    const deep = join(directory, 'd'.repeat(60), 'e'.repeat(60));
    mkdirSync(deep, { recursive: true });
    const lock = await DataDirLock.take(deep, 'the.lock');
    await assert.rejects(DataDirLock.take(deep, 'the.lock'), DataDirInUse);
    await lock.release();
  });
});
