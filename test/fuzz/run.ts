#!/usr/bin/env node
import { UsageError } from '@vaultplane/platform/errors.ts';
import { ExitStatus, runCli, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
// Random inputs: npm run fuzz [-- NAME…] [--minutes N | --inputs N] [--seed N]
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { Command } from 'commander';
import { type FuzzTarget, fuzz } from './fuzz-target.ts';
import { FUZZ_TARGETS } from './targets.ts';

const PROGRESS_EVERY_MS = 5_000;

interface Options {
  minutes?: string;
  inputs?: string;
  seed?: string;
  json?: true;
}

const program = new Command('npm run fuzz --')
  .description(`Tries random inputs on ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}.`)
  .argument('[name...]', 'what to try; all where nothing is named')
  .option('--minutes <n>', 'go on for so long on each, in place of a number of inputs')
  .option('--inputs <n>', 'how many inputs each; by default a million references, and fewer of what takes longer')
  .option('--seed <n>', 'where to begin; a run from the same seed tries the same')
  .option('--json', 'print the results as JSON')
  .action(run);

await runCli(program);

async function run(names: string[], options: Options): Promise<void> {
  const namesOf = ({ name, partOf }: FuzzTarget) => (partOf === undefined ? [name] : [name, partOf]);
  const known = [...new Set(FUZZ_TARGETS.flatMap(namesOf))];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new UsageError(
      `there is no ${unknown.map(shownName).join(', ')} to try${nearest(unknown[0]!, known) || `; there are ${known.join(', ')}`}`,
    );
  const minutes = numberOf('--minutes', options.minutes, 0.001);
  const inputs = numberOf('--inputs', options.inputs, 1);
  const seed = numberOf('--seed', options.seed, -(2 ** 31)) ?? Math.floor(Math.random() * 2 ** 31);
  const signal = stopOnSignals();
  const results = [];
  for (const target of FUZZ_TARGETS.filter((target) => {
    return names.length === 0 || namesOf(target).some((name) => names.includes(name));
  })) {
    if (signal.aborted) break;
    const begun = performance.now();
    const { tried, finding } = await fuzz(target, {
      inputs: inputs ?? (minutes === undefined ? target.usual : Infinity),
      forMs: minutes === undefined ? Infinity : minutes * 60_000,
      seed,
      signal,
      onProgress: progressOf(target, begun),
    });
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    results.push({ name: target.name, tried, inputs: target.inputs, seconds, seed, finding: finding ?? null });
    if (!options.json) {
      process.stdout.write(`${target.name}: ${tried} ${target.inputs} in ${seconds} s from seed ${seed}, `);
      process.stdout.write(finding === undefined ? 'no finding\n' : `a finding:\n${finding}\n`);
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  if (signal.aborted) throw new ExitStatus(130);
  if (results.some(({ finding }) => finding !== null)) throw new ExitStatus(1);
}

function progressOf({ name, inputs }: FuzzTarget, begun: number): (tried: number) => void {
  let next = begun + PROGRESS_EVERY_MS;
  return (tried) => {
    if (performance.now() < next) return;
    next = performance.now() + PROGRESS_EVERY_MS;
    process.stderr.write(`… ${name}: ${tried} ${inputs}\n`);
  };
}

function numberOf(option: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === '' || !(number >= least && number <= 2 ** 40)) {
    throw new UsageError(`${option} must be a number from ${least}`);
  }
  return number;
}
