import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { Stoppers } from './lifecycle.ts';
import { createLog } from './logging/log.ts';

const PROGRAM = `
import { Command } from 'commander';
import { StartError, UsageError } from '${new URL('./errors.ts', import.meta.url)}';
import { aborted, ExitStatus, runCli, stopOnSignals } from '${new URL('./lifecycle.ts', import.meta.url)}';
const fail = (error) => () => { throw error; };
const program = new Command('prog');
program.command('fine').action(() => {});
program.command('start-error').action(fail(new StartError('line one\\nline two')));
program.command('usage-error').action(fail(new UsageError('not so')));
program.command('status').action(fail(new ExitStatus(7)));
program.command('wait').action(async () => {
  const signal = stopOnSignals();
  const alive = setInterval(() => {}, 1000);
  console.log('waiting');
  await aborted(signal);
  console.log('stopping');
  if (!process.env.HANG) clearInterval(alive);
});
await runCli(program);
`;

function start(args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, '--', 'prog', ...args], {
    cwd: new URL('.', import.meta.url),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ ...output, code, signal }));
  return { child, ended };
}

const cases: Array<[args: string[], code: number, stderr: RegExp]> = [
  [['fine'], 0, /^$/],
  [['--help'], 0, /^$/],
  [['start-error'], 1, /^prog: line one line two\n$/],
  [['usage-error'], 2, /^prog: not so\n$/],
  [['status'], 7, /^$/],
  [['fine', '--what'], 2, /^error: unknown option '--what'\n$/],
  [['fnie'], 2, /^error: unknown command 'fnie'; did you mean fine\?\n$/],
];
for (const [args, code, stderr] of cases) {
  it(`a command line ${args.join(' ')} ends with ${code}`, async () => {
    const run = await start(args).ended;
    assert.equal(run.code, code, run.stderr);
    assert.match(run.stderr, stderr);
  });
}

it('the first SIGTERM lets a program stop in order', async () => {
  const { child, ended } = start(['wait']);
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const run = await ended;
  assert.equal(run.code, 0);
  assert.match(run.stdout, /stopping/);
});

it('a second SIGINT ends it at once, with 130, but not one that comes with the first', async () => {
  const { child, ended } = start(['wait'], { HANG: '1' });
  await once(child.stdout, 'data');
  const first = performance.now();
  child.kill('SIGINT');
  const again = setInterval(() => child.kill('SIGINT'), 20);
  const run = await ended;
  clearInterval(again);
  assert.equal(run.code, 130);
  assert.match(run.stdout, /stopping/);
  assert.ok(performance.now() - first > 400);
});

it('stops what was started in the reverse order, and all of it where one fails', async () => {
  const lines: string[] = [];
  const stopped: string[] = [];
  const stoppers = new Stoppers(createLog('test', 'info', { write: (line) => lines.push(line) }));
  stoppers.add('first', () => stopped.push('first'));
  stoppers.add('second', () => Promise.reject(new Error('stuck')));
  stoppers.add('third', () => stopped.push('third'));
  await stoppers.stop();
  await stoppers.stop();
  assert.deepEqual(stopped, ['third', 'first']);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /"part":"second","error":"stuck"/);
});
