import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLog } from '../logging/log.ts';
import { prepareDataDir } from './data-dir.ts';

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

  it('of root is taken as it is where only root and a group of this process may write in it', {
    skip: process.getuid!() !== 0 && 'only root can be another user',
  }, async () => {
    chmodSync(folder, 0o711);
    for (const [mode, group, isFit] of [
      [0o755, 0, true],
      [0o2775, 65_534, true],
      [0o775, 0, false],
      [0o2777, 65_534, false],
      [0o1777, 0, false],
    ] as const) {
      const path = existing(0o700);
      chownSync(path, 0, group);
      chmodSync(path, mode);
      const prepared = asUser(65_534, () => prepareDataDir(path, log));
      if (isFit) await prepared;
      else await assert.rejects(prepared, { name: 'StartError', message: /belongs to root.*set data_dir to a folder/ });
      assert.equal(statSync(path).mode & 0o7777, mode);
    }
  });

  it('has keys that are of nobody else', {
    skip: process.getuid!() !== 0 && 'only root can make files of others',
  }, async () => {
    const path = existing(0o700);
    const write = (name: string, mode: number, owner = 0) => {
      writeFileSync(join(path, name), 'a key');
      chmodSync(join(path, name), mode);
      chownSync(join(path, name), owner, owner);
    };
    for (const [name, mode, expected] of [
      ['cluster.key', 0o644, '600'],
      ['identity.pem', 0o660, '600'],
      ['export.key', 0o400, '400'],
      ['api-token', 0o666, '640'],
      ['cluster.crt', 0o644, '644'],
    ] as const) {
      write(name, mode);
      logged = '';
      await prepareDataDir(path, log);
      assert.equal(modeOf(join(path, name)), expected, name);
      assert.equal(/a key in data_dir was open/.test(logged), mode.toString(8) !== expected, name);
    }
    // Of an application, that may read no other way.
    write('api-token', 0o400, 65_534);
    await prepareDataDir(path, log);
    write('keyring.key', 0o600, 65_534);
    await assert.rejects(prepareDataDir(path, log), { message: /keyring\.key belongs to user 65534.*remove it/ });
    rmSync(join(path, 'keyring.key'));
    symlinkSync('/etc/hostname', join(path, 'keyring.key'));
    await prepareDataDir(path, log);
    lchownSync(join(path, 'keyring.key'), 65_534, 65_534);
    await assert.rejects(prepareDataDir(path, log), { message: /keyring\.key belongs to user 65534.*remove it/ });
  });

  it('is left as it is where root joins for the user whose it is', {
    skip: process.getuid!() !== 0 && 'only root does that',
  }, async () => {
    const path = existing(0o755);
    chownSync(path, 65_534, 65_534);
    await prepareDataDir(path, log, { forItsUser: true });
    assert.equal(modeOf(path), '755');
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

/** Runs something as another user, whose one group has the same number. */
async function asUser<T>(user: number, task: () => Promise<T>): Promise<T> {
  const groups = process.getgroups!();
  process.setgroups!([]);
  process.setegid!(user);
  process.seteuid!(user);
  try {
    return await task();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
    process.setgroups!(groups);
  }
}
