import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { rereadLogLevelOnHangup } from '@vaultplane/model/settings/log-level.ts';
import { createLog } from './log.ts';

/** A log, and the messages that it has written. */
function recorded() {
  const messages: string[] = [];
  const waiting: Array<() => void> = [];
  const log = createLog('test', 'warn', {
    write(line) {
      messages.push((JSON.parse(line) as { msg: string }).msg);
      for (const wake of waiting.splice(0)) wake();
    },
  });
  const next = () => new Promise<void>((resolve) => waiting.push(resolve));
  return { log, messages, next };
}

describe('a log', () => {
  it('has in a line the facts of that line, and of none before it', () => {
    const lines: object[] = [];
    const log = createLog('test', 'info', { write: (line) => lines.push(JSON.parse(line)) });
    log.info({ path: '/a' }, 'first');
    log.info({ reason: 'b' }, 'second');
    assert.ok('path' in lines[0]! && 'reason' in lines[1]!);
    assert.ok(!('path' in lines[1]!), JSON.stringify(lines[1]));
  });

  it('changes its level while it runs, for children too, whenever they were made', () => {
    const { log, messages } = recorded();
    const child = log.child({ part: 'x' });
    const grandchild = child.child({ part: 'y' });
    child.info({}, 'too quiet');
    log.setLevel('debug');
    grandchild.debug({}, 'heard');
    child.setLevel('error');
    log.warn({}, 'too quiet again');
    grandchild.error({}, 'heard too');
    assert.deepEqual(messages, ['heard', 'heard too']);
  });
});

describe('the log level of a program that runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-log-'));
  after(() => rmSync(folder, { recursive: true }));

  it('is read anew at a SIGHUP, and stays where it can not be', async () => {
    const confFile = join(folder, 'vaultplane.conf');
    const { log, messages, next } = recorded();
    const stop = rereadLogLevelOnHangup(log, { confFile, env: {} });
    const hangup = async () => {
      const written = next();
      process.kill(process.pid, 'SIGHUP');
      await written;
    };
    writeFileSync(confFile, 'log_level = debug\napi_listen = 127.0.0.1:0 # of a data plane\n');
    await hangup();
    log.debug({}, 'heard');
    writeFileSync(confFile, 'log_level = loud\n');
    await hangup();
    log.debug({}, 'still heard');
    stop();
    assert.equal(process.listenerCount('SIGHUP'), 0);
    assert.deepEqual(messages, [
      'log level read anew; other settings are those of the start',
      'heard',
      'the log level stays: the settings can not be read',
      'still heard',
    ]);
  });
});
