#!/usr/bin/env node
// Every test that this machine can run (CONTRACT.md §1): `npm test [-- PATH…]`. What was left out is said by name.
import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
// The long ones first, so that two cores end together.
const SUITES = [
  'test/docker/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/drills/**/*.test.ts',
  'test/bench/**/*.test.ts',
  'test/interop/**/*.test.ts',
  'test/manager/**/*.test.ts',
  'test/observability/**/*.test.ts',
  'test/deploy/**/*.test.ts',
  'test/protocol/**/*.test.ts',
  'test/docs/**/*.test.ts',
  'test/static/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
  'control-plane/src/**/*.test.ts',
  'data-plane/src/**/*.test.ts',
  'test/aws-emulator/src/**/*.test.ts',
  'test/gcp-emulator/src/**/*.test.ts',
  'shared/src/**/*.test.ts',
  'test/*.test.ts',
  'deploy/**/*.test.ts',
];
/** A file that takes longer has hung. */
const FILE_TIMEOUT_MS = 30 * 60_000;

const wanted = process.argv.slice(2);
const files = [...new Set(SUITES.flatMap((suite) => globSync(suite, { cwd: ROOT })))]
  .filter((file) => !file.includes('node_modules/'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
if (files.length === 0) {
  process.stderr.write(`npm test: no test file has ${wanted.join(' or ')} in its path\n`);
  process.exit(2);
}

const count = { passed: 0, failed: 0, skipped: 0 };
const leftOut: string[] = [];
const failures: string[] = [];
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

const events = run({
  files: files.map((file) => ROOT + file),
  cwd: ROOT,
  concurrency: 2,
  timeout: FILE_TIMEOUT_MS,
  signal: stop.signal,
});
events.on('test:pass', (event) => {
  // A suite passes with its tests, which are counted; one that is left out is so as a whole, and has none.
  if (event.details.type === 'suite' && event.skip === undefined) return;
  if (event.skip !== undefined || event.todo !== undefined) {
    count.skipped++;
    const reason = event.skip ?? event.todo;
    leftOut.push(`${event.name}${typeof reason === 'string' && reason !== '' ? `: ${reason}` : ''}`);
  } else count.passed++;
});
events.on('test:fail', (event) => {
  // A suite fails with its tests, which are counted; by itself it fails only where a hook of it did.
  if (
    event.details.type === 'suite' &&
    (event.details.error as { failureType?: string }).failureType === 'subtestsFailed'
  )
    return;
  // What was cut short has not failed.
  if (stop.signal.aborted) return;
  count.failed++;
  failures.push(`${event.name}${event.file ? ` (${relative(ROOT, event.file)}:${event.line})` : ''}`);
});
events.compose(new spec()).pipe(process.stdout, { end: false });
await new Promise((resolve) => events.once('end', resolve));
// The reporter writes its summary after the last event.
await new Promise((resolve) => process.stdout.write('', resolve));

process.on('exit', () => {
  const lines = [
    '',
    ...(leftOut.length > 0 ? ['Left out:', ...leftOut.map((line) => `  ${line}`)] : ['Nothing was left out.']),
    ...(failures.length > 0 ? ['Failed:', ...failures.map((line) => `  ${line}`)] : []),
    ...(stop.signal.aborted ? ['Stopped before the end.'] : []),
    `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
});
process.exitCode = count.failed > 0 || stop.signal.aborted ? 1 : 0;
