#!/usr/bin/env node
import { UsageError } from '@vaultplane/shared/errors.ts';
// Rehearsed outages: npm run drill -- NAME… | --all | --list
import { ExitStatus, runCli } from '@vaultplane/shared/lifecycle.ts';
import { Command } from 'commander';
import { cpKilled } from './cp-killed.ts';
import { dpRestartedAlone } from './dp-restarted-alone.ts';
import { type Drill, type DrillReport, runDrill } from './drill.ts';

const DRILLS: readonly Drill[] = [cpKilled, dpRestartedAlone];

const program = new Command('npm run drill --')
  .description('Rehearses outages against real processes, with an application asking all the while.')
  .argument('[name...]', 'drills to run')
  .option('--all', 'run every drill')
  .option('--list', 'say what there is')
  .option('--json', 'print the reports as JSON')
  .action(drill);

await runCli(program);

async function drill(names: string[], options: { all?: true; list?: true; json?: true }): Promise<void> {
  if (options.list) {
    for (const { name, breaks, holds } of DRILLS) process.stdout.write(`${name}\n    ${breaks}\n    ${holds}\n`);
    return;
  }
  const unknown = names.filter((name) => !DRILLS.some((known) => known.name === name));
  if (unknown.length > 0) throw new UsageError(`there is no drill ${unknown.join(', ')}; see --list`);
  if (names.length === 0 && !options.all) throw new UsageError('name a drill, or give --all or --list');
  const reports: DrillReport[] = [];
  for (const chosen of DRILLS.filter(({ name }) => options.all || names.includes(name))) {
    process.stderr.write(`${chosen.name}: ${chosen.breaks}\n`);
    reports.push(await runDrill(chosen, (line) => process.stderr.write(`  ${line}\n`)));
  }
  process.stdout.write(options.json ? `${JSON.stringify(reports, null, 2)}\n` : table(reports));
  if (reports.some((report) => !report.passed)) throw new ExitStatus(1);
}

function table(reports: readonly DrillReport[]): string {
  const ms = (value: number | null) => (value === null ? '–' : `${Math.round(value)} ms`);
  const rows = [
    ['drill', 'passed', 'served', 'failed', 'wrong', 'longest gap', 'oldest value', 'AWS calls', 'converged in'],
    ...reports.map((report) => [
      report.drill,
      report.passed ? 'yes' : 'NO',
      String(report.served),
      String(report.failed),
      String(report.wrong),
      ms(report.longestGapMs),
      ms(report.longestStalenessMs),
      String(report.upstreamCalls),
      ms(report.convergeMs),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  const failures = reports.filter((report) => report.failure).map((report) => `${report.drill}: ${report.failure}`);
  return `${[...lines, ...failures].join('\n')}\n`;
}
