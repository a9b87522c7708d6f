import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { silentLog } from '../logging/log.ts';
import { NotedTime } from './noted-time.ts';

describe('the time that a file notes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-noted-time-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  const mtime = () => statSync(path).mtimeMs;

  it('goes on while the file is as it was, is never set back, and is noted once more at the end', async () => {
    const clock = new FakeClock(Date.UTC(2026, 10, 25));
    const begun = clock.now();
    const time = new NotedTime({ path, clock, log: silentLog });
    time.start();
    await clock.advance(5_000);
    await time.settled();
    writeFileSync(path, 'x');
    time.written(begun);
    await clock.advance(5_000);
    await time.settled();
    assert.equal(mtime(), begun + 10_000);
    clock.set(begun);
    await clock.advance(9_000);
    await time.settled();
    assert.equal(mtime(), begun + 10_000);
    await clock.advance(3_000);
    await time.stop();
    assert.equal(mtime(), begun + 12_000);
    assert.equal(clock.pending, 0);
    assert.equal(new NotedTime({ path, clock, log: silentLog }).read(), begun + 12_000);
  });
});
