import assert from 'node:assert/strict';
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { writeDurably } from './durable-file.ts';
import { followOwnLinks, inHeldFolder } from './own-links.ts';

const ANOTHER_USER = 65_534;

describe('links on the way to a file that is written', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'vaultplane-links-')));
  after(() => rmSync(folder, { recursive: true }));
  const at = (...names: string[]) => join(folder, ...names);
  mkdirSync(at('real'));
  writeFileSync(at('real', 'file'), '');
  symlinkSync('real', at('folder'));
  symlinkSync('../folder/file', at('real', 'back'));
  symlinkSync('folder/new', at('dangling'));
  symlinkSync('round', at('round'));

  it('are followed where they are ours', async () => {
    assert.equal(await followOwnLinks(at('real', 'file')), at('real', 'file'));
    assert.equal(await followOwnLinks(at('folder', 'back')), at('real', 'file'));
    assert.equal(await followOwnLinks(at('dangling')), at('real', 'new'));
    assert.equal(await followOwnLinks(at('none', 'below')), at('none', 'below'));
    await assert.rejects(followOwnLinks(at('round')), { name: 'StartError', message: /too many links/ });
  });

  it('are refused where another user has made them, also for a folder', {
    skip: process.getuid!() !== 0 && 'only root can make one of another user',
  }, async () => {
    const shared = at('shared');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    for (const [name, target] of [
      ['file', at('real', 'file')],
      ['folder', at('real')],
      ['none', '/no/such/file'],
    ] as const) {
      symlinkSync(target, join(shared, name));
      lchownSync(join(shared, name), ANOTHER_USER, ANOTHER_USER);
    }
    for (const path of ['file', 'folder/file', 'folder/new', 'none']) {
      const wrong = { name: 'StartError', message: /leads over a link of another user \(.*, user 65534\)/ };
      await assert.rejects(followOwnLinks(join(shared, path)), wrong, path);
    }
  });

  it('that take the place of a folder while something is written there change nothing', async () => {
    const [folder, elsewhere] = [at('held'), at('elsewhere')];
    mkdirSync(folder);
    mkdirSync(elsewhere);
    await inHeldFolder(folder, async (path) => {
      renameSync(folder, at('moved'));
      symlinkSync(elsewhere, folder);
      await writeDurably(join(path, 'file'), 'text');
    });
    assert.deepEqual(readdirSync(elsewhere), []);
    assert.deepEqual(readdirSync(at('moved')), ['file']);
    // The link was there before the folder was opened, on it or on the way to it.
    await assert.rejects(inHeldFolder(folder, async () => assert.fail()));
    mkdirSync(at('elsewhere', 'below'));
    await assert.rejects(
      inHeldFolder(at('held', 'below'), async () => assert.fail()),
      { name: 'StartError', message: /leads elsewhere/ },
    );
  });
});
