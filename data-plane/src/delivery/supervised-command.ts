import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';

/**
 * What can be caught and makes sense to another process; the rest are faults of a process itself, or its own timers.
 * SIGUSR1 is not among them: Node.js blocks it under --disable-sigusr1, and would open its debugger without.
 */
const PASSED_SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR2',
  'SIGWINCH',
  'SIGCONT',
  'SIGALRM',
  'SIGIO',
  'SIGPWR',
  'SIGURG',
  'SIGVTALRM',
] as const satisfies NodeJS.Signals[];
/** A terminal sends these to the child itself, which is in the foreground too; a second one would count as a second keypress. */
const SENT_BY_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH'];
/** Whoever sends one of these wants the whole to end, also in the moment between two children. */
const ENDING: readonly string[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'];

/**
 * A command that runs in this program's place: same terminal and streams, signals passed on. It can be replaced by a new
 * run with another environment.
 */
export class SupervisedCommand {
  /** The exit status of the last run; 128 + n when signal n ended it. @throws StartError when it can't be started */
  readonly ended: Promise<number>;
  readonly #command: readonly string[];
  readonly #graceMs: number;
  readonly #end = Promise.withResolvers<number>();
  #child: ChildProcess | null = null;
  #replacement: NodeJS.ProcessEnv | null = null;
  #cancelKill = () => {};
  #endedBy: NodeJS.Signals | null = null;

  /** @param graceMs how long a run that is to be replaced may take to end by itself */
  constructor(command: readonly string[], env: NodeJS.ProcessEnv, graceMs: number) {
    this.#command = command;
    this.#graceMs = graceMs;
    const stopPassing = this.#passSignals();
    this.ended = this.#end.promise.finally(stopPassing);
    this.#start(env);
  }

  /** SIGTERM, SIGKILL after the grace period, then a new run. */
  restart(env: NodeJS.ProcessEnv): void {
    const isStopping = this.#replacement !== null;
    this.#replacement = env;
    if (isStopping) return;
    this.#child?.kill('SIGTERM');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), this.#graceMs);
    this.#cancelKill = () => clearTimeout(late);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #start(env: NodeJS.ProcessEnv): void {
    const [file, ...args] = this.#command;
    const child = spawn(file!, args, { stdio: 'inherit', env });
    this.#child = child;
    child.once('error', (error) => {
      // Also told of a signal that could not be sent.
      if (child.pid === undefined) this.#end.reject(new StartError(`${file} can't be started: ${errorMessage(error)}`));
    });
    child.once('exit', (status, signal) => {
      this.#child = null;
      this.#cancelKill();
      const replacement = this.#replacement;
      this.#replacement = null;
      if (replacement && !this.#endedBy) this.#start(replacement);
      else this.#end.resolve(signal ? 128 + constants.signals[signal] : (status ?? 1));
    });
  }

  #passSignals(): () => void {
    // Not every system has them all.
    const listeners = PASSED_SIGNALS.filter((signal) => signal in constants.signals).map((signal) => {
      const listener = () => {
        if (ENDING.includes(signal) && this.#replacement) this.#endedBy = signal;
        if (!(process.stdin.isTTY && SENT_BY_TERMINAL.includes(signal))) this.#child?.kill(signal);
      };
      process.on(signal, listener);
      return { signal, listener };
    });
    return () => {
      for (const { signal, listener } of listeners) process.off(signal, listener);
    };
  }
}
