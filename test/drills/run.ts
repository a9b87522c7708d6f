#!/usr/bin/env node
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DrillReporter } from '@vaultplane/model/protocol/drill-report.ts';
import { excludes, needs } from '@vaultplane/platform/cli/option-rules.ts';
import { UsageError } from '@vaultplane/platform/errors.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { followOwnLinks } from '@vaultplane/platform/files/own-links.ts';
import { ExitStatus, runCli, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
// Rehearsed outages: npm run drill -- NAME… | --all | --list
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { Command, InvalidArgumentError } from 'commander';
import { DRILLS } from './drills.ts';
import type { Drill, DrillReport } from './stage/drill.ts';
import { play } from './stage/drill-process.ts';
import { reportPage } from './stage/report-page.ts';
import { reportTable } from './stage/report-table.ts';
import { toldDrill } from './stage/told-drill.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Options {
  all?: true;
  list?: true;
  json?: true;
  at: number;
  out: string;
  reportTo?: string;
  reportTokenFile?: string;
}

const program = new Command('npm run drill --')
  .description('Rehearses outages against real processes, with applications asking all the while.')
  .argument('[name...]', 'drills to run')
  .option('--all', 'run every drill')
  .option('--list', 'say what there is')
  .option('--json', 'print the reports as JSON')
  .option('--at <number>', 'how many run side by side', parseCount, 4)
  .option('--out <folder>', 'where report.html and report.json go', join(ROOT, 'data/drills'))
  .option('--report-to <url>', "tell a control plane's Admin API what came of it; its manager shows that")
  .option('--report-token-file <file>', "holds an editor's token for it; VAULTPLANE_ADMIN_TOKEN where not given")
  .action(drill);

needs(program, '--report-token-file', '--report-to');
excludes(program, '--all', ['name of a drill']);
excludes(program, '--list', ['--all', '--json', '--at', '--out', '--report-to', 'name of a drill']);

await runCli(program);

async function drill(names: string[], options: Options): Promise<void> {
  if (options.list) {
    for (const { name, breaks, holds } of DRILLS) process.stdout.write(`${name}\n    ${breaks}\n    ${holds}\n`);
    return;
  }
  const unknown = names.filter((name) => !DRILLS.some((known) => known.name === name));
  if (unknown.length > 0)
    throw new UsageError(
      `there is no drill ${unknown.map(shownName).join(', ')}${
        nearest(
          unknown[0]!,
          DRILLS.map(({ name }) => name),
        ) || '; see --list'
      }`,
    );
  if (names.length === 0 && !options.all) throw new UsageError('name a drill, or give --all or --list');
  const chosen = DRILLS.filter(({ name }) => options.all || names.includes(name));
  const reporter = DrillReporter.of(options);
  await reporter?.check();
  const stop = stopOnSignals();
  const begun = new Date();
  const told: Array<Promise<Error | undefined>> = [];
  const reports = await playAll(chosen, options.at, stop, (report) => {
    const drill = toldDrill(report, new Date());
    if (reporter && drill)
      told.push(
        reporter.tell(drill).then(
          () => undefined,
          (error: Error) => error,
        ),
      );
  });
  const files = await write(options.out, reports, begun);
  process.stdout.write(options.json ? `${JSON.stringify(reports, null, 2)}\n` : reportTable(reports));
  process.stderr.write(`${files.join('\n')}\n`);
  const untold = (await Promise.all(told)).find((error) => error !== undefined);
  if (untold) throw untold;
  if (stop.aborted || reports.some(({ outcome }) => outcome === 'failed')) throw new ExitStatus(1);
}

/** Plays drills, so many side by side, the longest first; the reports are in the order of the drills. */
async function playAll(
  drills: readonly Drill[],
  at: number,
  signal: AbortSignal,
  onReport: (report: DrillReport) => void,
): Promise<DrillReport[]> {
  const reports = new Map<Drill, DrillReport>();
  const waiting = [...drills].sort((a, b) => b.seconds - a.seconds);
  const playNext = async () => {
    for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
      const { name } = next;
      process.stderr.write(`${name}: ${next.breaks}\n`);
      const report = await play(next, { signal, note: (line) => process.stderr.write(`${name}: ${line}\n`) });
      reports.set(next, report);
      onReport(report);
      const left = waiting.length === 0 ? '' : `; ${waiting.length} wait`;
      process.stderr.write(`${name}: ${report.outcome}${report.reason ? ` (${report.reason})` : ''}${left}\n`);
    }
  };
  await Promise.all(Array.from({ length: at }, playNext));
  return drills.flatMap((drill) => reports.get(drill) ?? []);
}

async function write(folder: string, reports: readonly DrillReport[], begun: Date): Promise<string[]> {
  await followOwnLinks(folder);
  await mkdir(folder, { recursive: true });
  const files = { 'report.html': reportPage(reports, begun), 'report.json': `${JSON.stringify(reports, null, 2)}\n` };
  for (const [name, content] of Object.entries(files)) {
    await writeDurably(join(folder, name), content, { mode: 0o644 });
  }
  return Object.keys(files).map((name) => join(folder, name));
}

function parseCount(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('A number from 1 to 99.');
  return Number(text);
}
