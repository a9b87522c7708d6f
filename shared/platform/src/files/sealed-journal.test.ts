import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { smallDisk } from '@vaultplane/testkit/small-disk.ts';
import { secretsKeyOf } from '../crypto/secrets-key.ts';
import type { Seal } from './sealed-file.ts';
import { SealedJournal } from './sealed-journal.ts';

const seal: Seal = { kind: 'a.journal 1', key: secretsKeyOf(randomBytes(32)), nodeId: 'node-1' };

describe('a sealed journal', () => {
  const root = mkdtempSync(join(tmpdir(), 'vaultplane-journal-'));
  after(() => rmSync(root, { recursive: true }));
  const newFolder = () => mkdtempSync(join(root, 'data-'));
  const open = (folder: string, other: Partial<Seal> = {}) =>
    new SealedJournal({ folder, name: 'a.journal', seal: { ...seal, ...other } });
  const read = async (journal: SealedJournal, from = 0) => {
    const { records, broken } = await journal.read(from);
    return { texts: records.map(String), broken: broken.map(({ reason }) => reason) };
  };

  it('holds what was added, in order, over restarts, and nothing in the clear', async () => {
    const folder = newFolder();
    const first = open(folder);
    const record = Buffer.from('canary one');
    await first.append(record);
    assert.ok(
      record.every((byte) => byte === 0),
      'it is wiped',
    );
    await first.append(Buffer.from('canary two'));
    // Killed.
    const second = open(folder);
    assert.deepEqual((await read(second)).texts, ['canary one', 'canary two']);
    await second.append(Buffer.from('canary three'));
    assert.deepEqual((await read(open(folder))).texts, ['canary one', 'canary two', 'canary three']);
    for (const name of readdirSync(folder)) {
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
      assert.ok(!readFileSync(join(folder, name)).includes('canary'));
    }
  });

  it('is read from a number on, and loses what is before one', async () => {
    const folder = newFolder();
    const journal = open(folder);
    await journal.append(Buffer.from('old'));
    const number = journal.startNext();
    await journal.append(Buffer.from('new'));
    assert.deepEqual((await read(open(folder), number)).texts, ['new']);
    assert.deepEqual((await read(open(folder))).texts, ['old', 'new']);
    await journal.removeBefore(number);
    assert.deepEqual((await read(open(folder))).texts, ['new']);
    await journal.removeBefore(journal.startNext());
    assert.deepEqual(readdirSync(folder), []);
  });

  it('that ends in the middle of a record is good up to there', async () => {
    const folder = newFolder();
    const journal = open(folder);
    await journal.append(Buffer.from('whole'));
    const path = join(folder, 'a.journal-1');
    const end = statSync(path).size;
    await journal.append(Buffer.from('torn'));
    const whole = readFileSync(path);
    for (let size = end; size < whole.byteLength; size++) {
      writeFileSync(path, whole);
      truncateSync(path, size);
      assert.deepEqual(await read(open(folder)), { texts: ['whole'], broken: [] });
    }
    whole[whole.byteLength - 1]! ^= 1;
    writeFileSync(path, whole);
    assert.deepEqual(await read(open(folder)), { texts: ['whole'], broken: [] });
  });

  it('opens for no other key, node, kind or file', async () => {
    const folder = newFolder();
    const journal = open(folder);
    await journal.append(Buffer.from('one'));
    const first = readFileSync(join(folder, 'a.journal-1'));
    journal.startNext();
    for (const [other, why] of [
      [{ key: secretsKeyOf(randomBytes(32)) }, /another key/],
      [{ nodeId: 'node-2' }, /another node/],
      [{ kind: 'b.journal 1' }, /does not begin/],
    ] as const) {
      const { texts, broken } = await read(open(folder, other));
      assert.deepEqual(texts, []);
      assert.match(broken.join(), why);
    }
    // Records of one file are none of another.
    await journal.append(Buffer.from('two'));
    const second = readFileSync(join(folder, 'a.journal-2'));
    const head = second.indexOf('\n', second.indexOf('\n') + 1) + 1;
    writeFileSync(join(folder, 'a.journal-2'), Buffer.concat([second.subarray(0, head), first.subarray(head)]));
    assert.deepEqual((await read(open(folder))).texts, ['one']);
  });

  it('on a full disk says so, and goes on whole when there is room', async (t) => {
    const folder = smallDisk(t, 64 * 1024);
    if (!folder) return;
    const journal = open(folder);
    await journal.append(Buffer.from('one'));
    writeFileSync(join(folder, 'filler'), Buffer.alloc(40 * 1024));
    await assert.rejects(journal.append(Buffer.alloc(60 * 1024)), { code: 'ENOSPC' });
    rmSync(join(folder, 'filler'));
    await journal.append(Buffer.from('two'));
    assert.deepEqual((await read(open(folder))).texts, ['one', 'two']);
  });
});
