#!/usr/bin/env node
// Benchmarks: npm run bench [-- NAME…]
import { UsageError } from '@vaultplane/shared/errors.ts';
import { runCli } from '@vaultplane/shared/lifecycle.ts';
import { Command } from 'commander';
import { type BenchmarkResult, runBenchmark } from './benchmark.ts';
import { httpHit } from './http-hit.ts';

const BENCHMARKS = [httpHit];

const program = new Command('npm run bench --')
  .description(
    'Measures vaultplane and a baseline in turn, in one run; only the ratio means something on another machine.',
  )
  .argument('[name...]', 'benchmarks to run; all where none is named')
  .option('--rounds <n>', 'counted rounds of each', '3')
  .option('--json', 'print the results as JSON')
  .action(bench);

await runCli(program);

async function bench(names: string[], options: { rounds: string; json?: true }): Promise<void> {
  const unknown = names.filter((name) => !BENCHMARKS.some((known) => known.name === name));
  if (unknown.length > 0) {
    throw new UsageError(
      `there is no benchmark ${unknown.join(', ')}; there are ${BENCHMARKS.map(({ name }) => name).join(', ')}`,
    );
  }
  const rounds = Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new UsageError('--rounds must be a whole number from 1 to 100');
  const results: BenchmarkResult[] = [];
  for (const benchmark of BENCHMARKS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    results.push(await runBenchmark(benchmark, rounds, (line) => process.stderr.write(`${benchmark.name}: ${line}\n`)));
  }
  if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else for (const result of results) process.stdout.write(row(result));
}

function row({ name, unit, baseline, vaultplane, ratio, target, met }: BenchmarkResult): string {
  const figure = (of: { median: number; min: number; max: number }) =>
    `${Math.round(of.median)} (${Math.round(of.min)}–${Math.round(of.max)})`;
  return `${name}, ${unit}: vaultplane ${figure(vaultplane)}, ${baseline.name} ${figure(baseline)}; ratio ${ratio.toFixed(2)}, target ≥ ${target} ${met ? 'met' : 'NOT met'}\n`;
}
