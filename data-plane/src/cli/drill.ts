import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import { isatty } from 'node:tty';
import { DrillReporter, type ToldDrill } from '@vaultplane/model/protocol/drill-report.ts';
import { needs } from '@vaultplane/platform/cli/option-rules.ts';
import { UsageError } from '@vaultplane/platform/errors.ts';
import { diagnostics } from '@vaultplane/platform/logging/diagnostics.ts';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { LocalApi } from '../delivery/local-api.ts';
import type { DrillLine } from '../endpoints/drill.ts';
import { OUTAGES } from '../fault-injection/outage-switch.ts';
import { LONGEST_SECONDS, type RehearsalProgress, type RehearsalReport } from '../fault-injection/rehearsals.ts';
import type { ErrorBody } from '../server/answer.ts';
import { readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';
import { secondsOf } from './time-option.ts';

interface DrillOptions extends SettingsOption {
  for: number;
  strict?: boolean;
  json?: boolean;
  reportTo?: string;
  reportTokenFile?: string;
}

/** Progress goes to a log this often; to a terminal it goes all the time, on one line. */
const LOGGED_EVERY_SECONDS = 10;

export function drillCommand(): Command {
  const command = commandWithSettings('drill')
    .description(
      'Cut the data plane that runs here off from its control planes, or from all vaults of a type, on purpose and for a time; Ctrl-C ends it.',
    )
    .addArgument(new Argument('<outage>', 'what to rehearse').choices(OUTAGES))
    .addOption(new Option('--for <time>', 'for how long: 30s, 10m, 1h').argParser(parseTime).default(60, '60s'))
    .option('--strict', 'fail the lookups, too, that nothing held can answer; without it the vault is asked for them')
    .option('--json', 'print the report as JSON')
    .option('--report-to <url>', "tell a control plane's Admin API what came of it; its manager shows that")
    .option('--report-token-file <file>', "holds an editor's token for it; VAULTPLANE_ADMIN_TOKEN where not given")
    .addHelpText(
      'after',
      '\nWhat is held is served as in a real outage. The exit status is 1 if a lookup failed, or would have in a real outage.',
    )
    .action(drill);
  return needs(command, '--report-token-file', '--report-to');
}

async function drill(outage: string, options: DrillOptions): Promise<void> {
  const reporter = DrillReporter.of(options);
  await reporter?.check();
  const api = await LocalApi.of(await readSettings(options));
  const started = new Date();
  const body = { outage, for_s: options.for, ...(options.strict && { strict: true }) };
  // The first Ctrl-C ends the drill, and its report still comes; if it does not, the next ends this command, and the
  // data plane ends a drill whose command is gone.
  const stop = () => void api.json('DELETE', '/v1/drill').catch(() => process.exit(1));
  // Before it begins: from the outside nothing tells when this command knows that it has.
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const answer = await api.open('POST', '/v1/drill', { body });
    for await (const text of createInterface({ input: answer.setEncoding('utf8') })) {
      const line = JSON.parse(text) as DrillLine | { error: ErrorBody };
      if ('error' in line) throw drillError(line.error);
      if ('progress' in line) showProgress(outage, line.progress);
      else {
        showReport(line.report, options);
        await reporter?.tell(toldDrill(line.report, started));
        return;
      }
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
  throw new Error('the data plane has gone; a drill that went on has ended with it');
}

function showProgress(outage: string, { left_s, lookups, would_have_failed }: RehearsalProgress): void {
  const failed = Object.values(lookups.failed).reduce((sum, count) => sum + count, 0);
  const text = `${outage}: ${left_s} s left, ${lookups.served} lookups served, ${failed} failed, ${would_have_failed.times} would have failed`;
  if (isatty(2)) diagnostics.write(`\r\x1b[K${text}`);
  else if (left_s % LOGGED_EVERY_SECONDS === 0) diagnostics.write(`${text}\n`);
}

function showReport(report: RehearsalReport, { json }: DrillOptions): void {
  if (isatty(2)) diagnostics.write('\r\x1b[K');
  console.log(json ? JSON.stringify(report) : describe(report));
  const { lookups, would_have_failed } = report;
  if (Object.keys(lookups.failed).length > 0 || would_have_failed.times > 0) process.exitCode = 1;
}

/** As a control plane keeps it. Whoever asks here sees no value, so nothing can be said of wrong ones, gaps and staleness. */
function toldDrill(report: RehearsalReport, started: Date): ToldDrill {
  const { outage, lookups, would_have_failed: missed, restart_would_lack } = report;
  const failed = Object.entries(lookups.failed);
  const sum = failed.reduce((all, [, count]) => all + count, 0);
  return {
    name: outage,
    host: hostname(),
    started_at: started.toISOString(),
    ended_at: new Date(started.getTime() + report.lasted_s * 1000).toISOString(),
    passed: sum === 0 && missed.times === 0,
    lookups: lookups.served + sum,
    ...{ wrong_answers: null, longest_gap_ms: null, longest_staleness_ms: null },
    problems: [
      ...failed.map(([code, count]) => `${count} lookups failed: ${code}`),
      ...missed.secrets.map(({ secret, times }) => `${secret} is not held; it was wanted ${times} times`),
      ...restart_would_lack.map((what) => `a restart in such an outage would have lacked ${what}`),
    ],
  };
}

function describe(report: RehearsalReport): string {
  const { lookups, would_have_failed: missed, references, restart_would_lack } = report;
  const failed = Object.entries(lookups.failed).map(([code, count]) => `${count} ${code}`);
  const unnamed = missed.times - missed.secrets.reduce((sum, { times }) => sum + times, 0);
  return [
    `${report.outage} for ${report.lasted_s} s (ended by: ${report.ended_by})`,
    `lookups: ${lookups.served} served, ${failed.length === 0 ? 'none failed' : `failed: ${failed.join(', ')}`}`,
    missed.times === 0
      ? 'nothing would have failed'
      : `${missed.times} times something was wanted that is not held, and ${report.strict ? 'failed' : 'would have failed: AWS was asked all the same'}`,
    ...missed.secrets.map(({ secret, times }) => `  ${secret}: ${times}`),
    ...(unnamed > 0 ? [`  others: ${unnamed}`] : []),
    `held at the end: ${Object.entries(references)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ')}`,
    ...restart_would_lack.map((what) => `a restart in such an outage would have lacked ${what}`),
  ].join('\n');
}

function drillError({ code, message }: ErrorBody): Error {
  return code === 'bad_request' ? new UsageError(`${code}: ${message}`) : new Error(`${code}: ${message}`);
}

function parseTime(text: string): number {
  const seconds = secondsOf(text);
  if (seconds === undefined || !(seconds >= 1 && seconds <= LONGEST_SECONDS)) {
    throw new InvalidArgumentError('A time such as 30s, 10m or 1h, of 24 hours at most.');
  }
  return seconds;
}
