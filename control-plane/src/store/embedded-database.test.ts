import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DataDirInUse } from '@vaultplane/platform/files/data-dir-lock.ts';
import { openEmbeddedDatabase } from './embedded-database.ts';

describe('the embedded database', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vaultplane-db-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is one process only: a second is refused; what was committed is there after a SIGKILL', async () => {
    const module = new URL('./embedded-database.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { openEmbeddedDatabase } = await import(${JSON.stringify(module)});
         const database = await openEmbeddedDatabase(${JSON.stringify(directory)});
         await database.script('create table numbers (n integer)');
         for (let n = 0; ; n++) {
           await database.query('insert into numbers values ($1)', [n]);
           if (n === 500) console.log('written');
         }`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    await assert.rejects(openEmbeddedDatabase(directory), DataDirInUse);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;

    const database = await openEmbeddedDatabase(directory);
    const [row] = await database.query<{ last: number; all: number }>(
      'select max(n) as last, count(*) as all from numbers',
    );
    assert.ok(row!.last >= 500);
    assert.equal(row!.all, row!.last + 1);
    await database.close();
  });

  it('that was half made when its process died is made anew', async () => {
    const fresh = join(directory, 'fresh');
    const module = new URL('./embedded-database.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { watch, mkdirSync } from 'node:fs';
         mkdirSync(${JSON.stringify(fresh)});
         const { openEmbeddedDatabase } = await import(${JSON.stringify(module)});
         watch(${JSON.stringify(fresh)}, (_, file) => { if (file === 'db.new') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20); });
         await openEmbeddedDatabase(${JSON.stringify(fresh)});`,
      ],
      { stdio: 'inherit' },
    );
    await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
    assert.ok(!existsSync(join(fresh, 'db')));
    const database = await openEmbeddedDatabase(fresh);
    assert.deepEqual(await database.query('select 1 as one'), [{ one: 1 }]);
    await database.close();
  });
});
