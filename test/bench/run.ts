#!/usr/bin/env node
import { join } from 'node:path';
import { excludes } from '@vaultplane/platform/cli/option-rules.ts';
import { UsageError } from '@vaultplane/platform/errors.ts';
import { ExitStatus, runCli, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
// Benchmarks: npm run bench [-- NAME…]
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { Command } from 'commander';
import { type Row, runBenchmark } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { Profiles } from './profiles.ts';
import { Progress } from './progress.ts';
import { printTable, type Report, writeReport } from './report.ts';

const program = new Command('npm run bench --')
  .description(
    'Measures vaultplane and its baselines in turn, in one run; only the ratios mean something on another machine.',
  )
  .argument('[name...]', 'benchmarks to run; all where none is named')
  .option('--list', 'say which there are')
  .option('--case <text>', 'only the cases in whose names this stands')
  .option('--rounds <n>', 'counted rounds of each', '3')
  .option('--out <dir>', 'where results.json and index.html are written', 'data/bench')
  .option('--tiny', 'sizes of a few and one round, to see that all works; the figures mean nothing')
  .option('--json', 'print the results as JSON')
  .option('--profile', 'also write a flame graph of every program, at some cost to its figures')
  .action(bench);

excludes(program, '--list', ['--case', '--rounds', '--out', '--tiny', '--json', '--profile', 'name of a benchmark']);
excludes(program, '--tiny', ['--rounds']);

await runCli(program);

async function bench(
  names: string[],
  options: { rounds: string; out: string; json?: true; list?: true; tiny?: true; case?: string; profile?: true },
): Promise<void> {
  if (options.list) {
    for (const { name, title } of BENCHMARKS) process.stdout.write(`${name.padEnd(22)} ${title}\n`);
    return;
  }
  const unknown = names.filter((name) => !BENCHMARKS.some((known) => known.name === name));
  if (unknown.length > 0) {
    throw new UsageError(
      `there is no benchmark ${unknown.map(shownName).join(', ')}${
        nearest(
          unknown[0]!,
          BENCHMARKS.map(({ name }) => name),
        ) || '; --list says which there are'
      }`,
    );
  }
  const rounds = options.tiny ? 1 : Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new UsageError('--rounds must be a whole number from 1 to 100');

  const profiles = options.profile && new Profiles(join(options.out, 'profiles'));
  const signal = stopOnSignals();
  const progress = new Progress(process.stderr);
  const rows: Row[] = [];
  const leftOut: string[] = [];
  const failed: string[] = [];
  const wanted = BENCHMARKS.filter(({ name }) => names.length === 0 || names.includes(name));
  for (const [index, benchmark] of wanted.entries()) {
    try {
      const got = await runBenchmark(benchmark, rounds, {
        signal,
        note: (text) => progress.show(index / wanted.length, `${benchmark.name}: ${text}`),
        tiny: options.tiny === true,
        only: options.case ?? '',
        leaveOut: (text) => leftOut.push(`${benchmark.name}: ${text}`),
      });
      rows.push(...got);
      progress.clear();
      if (!options.json) printTable(process.stdout, benchmark, got);
    } catch (error) {
      progress.clear();
      if (signal.aborted) break;
      failed.push(`${benchmark.name}: ${(error as Error).message}`);
      process.stderr.write(`${benchmark.name} failed: ${(error as Error).stack}\n`);
    }
  }
  const report: Report = { at: new Date().toISOString(), rounds, rows, leftOut, failed, stopped: signal.aborted };
  const written = writeReport(options.out, report, BENCHMARKS);
  if (profiles) written.push(...profiles.draw());
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  for (const line of leftOut) process.stderr.write(`left out: ${line}\n`);
  process.stderr.write(`written: ${written.join(', ')}\n`);
  // A target that is not met is a figure, and the machine's as much as ours; a wrong answer is a failure.
  if (failed.length > 0 || signal.aborted) throw new ExitStatus(1);
}
