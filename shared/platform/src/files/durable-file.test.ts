import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { writeDurably } from './durable-file.ts';

const isRoot = process.getuid?.() === 0;

describe('a durable write', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-durable-'));
  after(() => rmSync(folder, { recursive: true }));

  it('puts no file in place of what is none, and leaves nothing beside it', async () => {
    const made: Array<[name: string, kind: string]> = [
      ['pipe', 'a pipe'],
      ['folder', 'a folder'],
      ['socket', 'a socket'],
    ];
    spawnSync('mkfifo', [join(folder, 'pipe')]);
    mkdirSync(join(folder, 'folder'));
    const server = createServer().listen(join(folder, 'socket')).unref();
    if (isRoot) {
      spawnSync('mknod', [join(folder, 'null'), 'c', '1', '3']);
      spawnSync('mknod', [join(folder, 'disk'), 'b', '7', '200']);
      made.push(['null', 'a character device'], ['disk', 'a block device']);
    }
    for (const [name, kind] of made) {
      const path = join(folder, name);
      const before = lstatSync(path).ino;
      await assert.rejects(writeDurably(path, 'text'), {
        name: 'StartError',
        message: `${path} is ${kind}, which no file is put in place of; write elsewhere`,
      });
      assert.equal(lstatSync(path).ino, before);
    }
    assert.deepEqual(readdirSync(folder).sort(), made.map(([name]) => name).sort());
    server.close();
  });
});
