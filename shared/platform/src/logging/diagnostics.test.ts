import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { until } from '@vaultplane/testkit/until.ts';
import { Diagnostics } from './diagnostics.ts';

/** A reader who takes so many bytes at a time, or none: what it has taken, and what it says instead. */
class Reader {
  taken = '';
  limit = Infinity;
  error: string | undefined;

  readonly write = (bytes: Uint8Array): number => {
    if (this.error !== undefined) throw Object.assign(new Error(this.error), { code: this.error });
    const count = Math.min(this.limit, bytes.length);
    if (count === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' });
    this.limit -= count;
    this.taken += Buffer.from(bytes.subarray(0, count)).toString('latin1');
    return count;
  };
}

describe('diagnostics', () => {
  it('come out whole and in order, wherever a reader stops', async () => {
    const reader = new Reader();
    const diagnostics = new Diagnostics(() => reader.write);
    reader.limit = 5;
    for (const line of ['first\n', 'second\n', 'third\n']) diagnostics.write(line);
    assert.equal(reader.taken, 'first');
    reader.limit = 4;
    await until('more', () => reader.taken.length === 9);
    reader.limit = Infinity;
    await until('all', () => reader.taken.endsWith('third\n'));
    assert.equal(reader.taken, 'first\nsecond\nthird\n');
    assert.equal(diagnostics.dropped, 0);
  });

  it('are kept up to a bound, then dropped, counted, and told of behind those that were kept', async () => {
    const reader = new Reader();
    const diagnostics = new Diagnostics(() => reader.write);
    reader.limit = 0;
    const line = `${'x'.repeat(1023)}\n`;
    for (let count = 0; count < 600; count++) diagnostics.write(line);
    assert.equal(diagnostics.dropped, 600 - 512);
    reader.limit = Infinity;
    await until('told', () => reader.taken.includes('dropped'));
    diagnostics.write('after\n');
    assert.equal(reader.taken, `${line.repeat(512)}88 lines were dropped: nobody read them\nafter\n`);
  });

  it('are dropped where the reader is gone or the disk is full, and go on when that is over', () => {
    const reader = new Reader();
    const diagnostics = new Diagnostics(() => reader.write);
    reader.error = 'EPIPE';
    diagnostics.write('lost\n');
    diagnostics.write('lost too\n');
    reader.error = undefined;
    diagnostics.write('heard\n');
    assert.equal(reader.taken, 'heard\n2 lines were dropped: nobody read them\n');
  });
});

describe('a program with a full pipe for stderr', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-diagnostics-'));
  after(() => rmSync(folder, { recursive: true }));

  it('ends at an error that nothing catches, and warnings of Node.js hold nothing up', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const reading = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    assert.throws(() => {
      for (;;) writeSync(reading, '.'.repeat(4096));
    }, /EAGAIN/);
    const stderr = openSync(path, constants.O_WRONLY);
    const lifecycle = new URL('../lifecycle.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { endOnUncaught } = await import(${JSON.stringify(lifecycle)});
         endOnUncaught('the-program');
         for (let count = 0; count < 100; count++) process.emitWarning('w'.repeat(1000) + count);
         process.stdout.write('warned');
         process.stdin.once('data', () => { throw new Error('nobody foresaw it'); });`,
      ],
      { stdio: ['pipe', 'pipe', stderr] },
    );
    closeSync(stderr);
    await once(child.stdout!, 'data');
    let text = '';
    const bytes = Buffer.alloc(65_536);
    const read = () => {
      try {
        for (;;) text += bytes.toString('utf8', 0, readSync(reading, bytes, 0, bytes.length, null));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      }
      return text;
    };
    const timer = setInterval(read, 20);
    child.stdin!.write('now');
    const [status] = await once(child, 'exit');
    clearInterval(timer);
    assert.equal(status, 1);
    assert.match(read(), /^the-program: nobody foresaw it at .*$/m);
    closeSync(reading);
  });
});
