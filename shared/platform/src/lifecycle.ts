import type { Command, CommanderError } from 'commander';
import { errorMessage, UsageError } from './errors.ts';
import { diagnostics } from './logging/diagnostics.ts';
import type { Log } from './logging/log.ts';
import { sourcePositions } from './source-positions.ts';
import { systemClock } from './time/clock.ts';

/**
 * Runs a program's command line to its end and sets the exit status: 0 done, 1 failed, 2 wrong usage. An error is one
 * line on stderr (specification.md §1). A command that fails with a status of its own throws an `ExitStatus`.
 */
export async function runCli(program: Command, argv: string[] = process.argv): Promise<void> {
  // A start without options has no command line to be wrong about.
  const { commandLineError } = await import('./cli/command-line-errors.ts');
  configure(program, (command, text) => commandLineError(command, text, argv));
  await runToEnd(program.name(), () => program.parseAsync(argv));
}

/** Does the work of a program whose command line needs no parsing, and sets the exit status as runCli does. */
export async function runToEnd(program: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.exitCode = statusOf(error, program);
  }
}

/** Ends the command with this status, having said all there is to say. */
export class ExitStatus extends Error {
  override readonly name = 'ExitStatus';
  readonly status: number;

  constructor(status: number) {
    super(`exit status ${status}`);
    this.status = status;
  }
}

function configure(command: Command, wordingOf: (command: Command, text: string) => string): void {
  command.exitOverride().configureOutput({
    writeErr: (text) => diagnostics.write(text),
    outputError: (text, write) => write(wordingOf(command, text)),
  });
  for (const child of command.commands) configure(child, wordingOf);
}

function statusOf(error: unknown, program: string): number {
  // Commander has printed its own message by now; its status is 0 for --help and --version.
  if (isOfCommander(error)) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ExitStatus) return error.status;
  sayLine(program, errorMessage(error));
  return error instanceof UsageError ? 2 : 1;
}

/** Told by its name: nothing here loads Commander, which some programs do without. */
function isOfCommander(error: unknown): error is CommanderError {
  return error instanceof Error && error.name === 'CommanderError' && 'exitCode' in error;
}

/** Says a thing on stderr, as one line. Never waits for its reader. */
export function sayLine(program: string, text: string): void {
  diagnostics.write(`${program}: ${text.replaceAll(/\s*\n\s*/g, ' ')}\n`);
}

/**
 * Ends the process with a line and status 1 at an error that nothing has caught: half a program is worse than none, and
 * something restarts it. Node.js's own line about it, and its warnings, would wait for whoever reads stderr.
 */
export function endOnUncaught(program: string): void {
  const end = (error: unknown) => {
    // The frames alone of its stack: the message in it may have what errorMessage leaves out.
    const frames = error instanceof Error ? (sourcePositions(error.stack ?? '').match(/^ +at .*$/gm) ?? []) : [];
    sayLine(program, [errorMessage(error), ...frames].join('\n'));
    process.exit(1);
  };
  process.on('uncaughtException', end).on('unhandledRejection', end);
  // None where Node.js was told --no-warnings.
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning').on('warning', (warning) => sayLine(program, String(warning)));
}

/** A signal so soon after the first is the same one: npm passes on a Ctrl-C of which the terminal has told its child too. */
const SAME_SIGNAL_MS = 500;

/**
 * Milliseconds that a server has to stop in order: to answer requests in progress, close its links and its database. Below
 * what systemd (TimeoutStopSec=15 in the units) and Kubernetes (30 s) give it before they kill it.
 */
export const STOP_WITHIN_MS = 10_000;

/**
 * A signal that is aborted by the first SIGINT or SIGTERM, so that the program can stop in order. A second one, half a
 * second later or more, ends the process at once, with the status that a shell gives to one which died of that signal.
 *
 * @param options.withinMs ends a process that has not stopped by then, whatever it waits for, with a line on stderr and
 *   status 1; undefined: it may take as long as it likes
 */
export function stopOnSignals({ program, withinMs }: { program?: string; withinMs?: number } = {}): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) {
        first = performance.now();
        if (withinMs !== undefined) systemClock.after(withinMs, () => endLate(program, withinMs));
        controller.abort(name);
      } else if (performance.now() - first > SAME_SIGNAL_MS) process.exit(128 + number);
    });
  }
  return controller.signal;
}

function endLate(program: string | undefined, withinMs: number): void {
  sayLine(program ?? 'vaultplane', `did not stop within ${withinMs / 1000} s, and ends now`);
  process.exit(1);
}

/** Waits until the signal is aborted; without a listener left behind, and without a timer. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** What was started, in order, so that it can be stopped in the reverse order, also when a later start fails. */
export class Stoppers {
  readonly #entries: Array<{ name: string; stop: () => unknown }> = [];
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(name: string, stop: () => unknown): void {
    this.#entries.push({ name, stop });
  }

  /** Stops everything once; a part that fails to stop is logged and does not keep the others from stopping. */
  async stop(): Promise<void> {
    for (let entry = this.#entries.pop(); entry; entry = this.#entries.pop()) {
      try {
        await entry.stop();
      } catch (error) {
        this.#log.error({ part: entry.name, error: errorMessage(error) }, 'a part did not stop cleanly');
      }
    }
  }
}
