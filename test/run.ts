#!/usr/bin/env node
// Every test that this machine can run (specification.md §1): `npm test [-- PATH…]`. What was left out is said by name.
import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
// The long ones first, so that two cores end together.
const SUITES = [
  'test/docker/**/*.test.ts',
  'test/packages/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/attacks/**/*.test.ts',
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
  'control-plane/{src,manager}/**/*.test.ts',
  'data-plane/{src,client}/**/*.test.ts',
  'test/aws-emulator/src/**/*.test.ts',
  'test/gcp-emulator/src/**/*.test.ts',
  'shared/*/src/**/*.test.ts',
  'test/testkit/src/**/*.test.ts',
  'test/*.test.ts',
  'deploy/**/*.test.ts',
];
/** A file that takes longer has hung. */
const FILE_TIMEOUT_MS = 20 * 60_000;
/** A whole run gives so many files a second chance: real processes on a busy machine fail now and then. More is no chance. */
const MOST_SECOND_CHANCES = 3;

/** What became of the tests of a file. */
interface Tally {
  passed: number;
  skipped: string[];
  failed: string[];
}

const wanted = process.argv.slice(2);
const files = [...new Set(SUITES.flatMap((suite) => globSync(suite, { cwd: ROOT })))]
  .filter((file) => !file.includes('node_modules/'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
// Fewer tests than were asked for would look like all of them.
const absent = wanted.filter((part) => !files.some((file) => file.includes(part)));
if (absent.length > 0 || files.length === 0) {
  process.stderr.write(`npm test: no test file has ${absent.join(' or ')} in its path; it takes no options\n`);
  process.exit(2);
}

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

const tallies = await runFiles(files);
const failedFiles = filesThatFailed();
const passedAgain: string[] = [];
if (wanted.length === 0 && failedFiles.length <= MOST_SECOND_CHANCES && !stop.signal.aborted) {
  for (const file of failedFiles) {
    process.stdout.write(`\n${file} failed, and is run again by itself:\n`);
    const again = (await runFiles([file])).get(file);
    if (stop.signal.aborted || !again) break;
    if (again.failed.length === 0) passedAgain.push(...tallies.get(file)!.failed);
    tallies.set(file, again);
  }
}
printOutcome();
process.exitCode = filesThatFailed().length > 0 || stop.signal.aborted ? 1 : 0;

/** Runs files, two at a time, and prints what they say. Gives each file's tally, by its path in the project. */
async function runFiles(paths: string[]): Promise<Map<string, Tally>> {
  const byFile = new Map<string, Tally>();
  let tally: Tally = { passed: 0, skipped: [], failed: [] };
  /** The events of a file come one after another, and end with its summary. */
  const endsFile = (path: string) => {
    const file = relative(ROOT, path);
    const before = byFile.get(file);
    byFile.set(file, {
      passed: (before?.passed ?? 0) + tally.passed,
      skipped: [...(before?.skipped ?? []), ...tally.skipped],
      failed: [...(before?.failed ?? []), ...tally.failed],
    });
    tally = { passed: 0, skipped: [], failed: [] };
  };
  const events = run({
    files: paths.map((file) => ROOT + file),
    cwd: ROOT,
    concurrency: 2,
    timeout: FILE_TIMEOUT_MS,
    signal: stop.signal,
  });
  events.on('test:pass', (event) => {
    // A suite passes with its tests, which are counted; one that is left out is so as a whole, and has none.
    if (event.details.type === 'suite' && event.skip === undefined) return;
    if (event.skip !== undefined || event.todo !== undefined) {
      const reason = event.skip ?? event.todo;
      tally.skipped.push(`${event.name}${typeof reason === 'string' && reason !== '' ? `: ${reason}` : ''}`);
    } else tally.passed++;
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
    tally.failed.push(`${event.name}${event.file ? ` (${relative(ROOT, event.file)}:${event.line})` : ''}`);
    // A file that fails by itself (it could not be loaded, hung, crashed) may have no summary.
    if (event.nesting === 0 && paths.some((path) => ROOT + path === event.name)) endsFile(event.name);
  });
  events.on('test:summary', ({ file }) => {
    if (file !== undefined) endsFile(file);
  });
  events.compose(new spec()).pipe(process.stdout, { end: false });
  await new Promise((resolve) => events.once('end', resolve));
  // The reporter writes its summary after the last event.
  await new Promise((resolve) => process.stdout.write('', resolve));
  return byFile;
}

function filesThatFailed(): string[] {
  return [...tallies].filter(([, { failed }]) => failed.length > 0).map(([file]) => file);
}

function printOutcome(): void {
  const all = [...tallies.values()];
  const failed = all.flatMap((tally) => tally.failed);
  const skipped = all.flatMap((tally) => tally.skipped);
  const passed = all.reduce((sum, tally) => sum + tally.passed, 0);
  const named = (title: string, names: string[]) =>
    names.length > 0 ? [`${title}:`, ...names.map((name) => `  ${name}`)] : [];
  const lines = [
    '',
    ...(skipped.length > 0 ? named('Left out', skipped) : ['Nothing was left out.']),
    ...named('Failed at first, and passed when its file was run again', passedAgain),
    ...named('Failed', failed),
    ...(stop.signal.aborted ? ['Stopped before the end.'] : []),
    `${passed} passed, ${failed.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
  ];
  process.on('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
}
