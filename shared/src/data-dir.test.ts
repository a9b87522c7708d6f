import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { prepareDataDir } from './data-dir.ts';
import { createLog } from './log.ts';

describe('data_dir', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-data-'));
  after(() => rmSync(folder, { recursive: true }));
  let logged = '';
  const log = createLog('test', 'info', {
    write(line) {
      logged += line;
    },
  });
  let made = 0;
  const existing = (mode: number) => {
    const path = join(folder, `there-${made++}`);
    mkdirSync(path);
    chmodSync(path, mode);
    return path;
  };
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

  it('is made for its owner only', async () => {
    const path = join(folder, 'new', 'below');
    await prepareDataDir(path, log);
    assert.equal(modeOf(path), '700');
    assert.equal(logged, '');
  });

  it('that is open is closed, and that is said', async () => {
    for (const [mode, options, expected] of [
      [0o777, {}, '700'],
      [0o755, { group: true }, '750'],
      [0o770, { group: true }, '750'],
      [0o1777, {}, '700'],
    ] as const) {
      const path = existing(mode);
      logged = '';
      await prepareDataDir(path, log, options);
      assert.equal(modeOf(path), expected);
      assert.match(logged, /data_dir was open to other users; it is no longer/);
    }
  });

  it('that is as it should be is left alone', async () => {
    for (const [mode, options] of [
      [0o700, {}],
      [0o750, { group: true }],
      [0o500, {}],
    ] as const) {
      const path = existing(mode);
      logged = '';
      await prepareDataDir(path, log, options);
      assert.equal(modeOf(path), mode.toString(8));
      assert.equal(logged, '');
    }
  });

  it('of another user is refused', { skip: process.getuid!() !== 0 && 'only root can make one' }, async () => {
    const path = existing(0o700);
    chownSync(path, 65_534, 65_534);
    await assert.rejects(prepareDataDir(path, log), {
      name: 'StartError',
      message: `data_dir = ${path} belongs to user 65534, who could change what is in it; run as that user, or \`chown -R 0\` it`,
    });
  });

  it('that is a file is refused by name', async () => {
    const path = join(folder, 'file.txt');
    writeFileSync(path, '');
    await assert.rejects(prepareDataDir(path, log), {
      name: 'StartError',
      message: /data_dir = .*file\.txt can't be made: EEXIST/,
    });
  });
});
