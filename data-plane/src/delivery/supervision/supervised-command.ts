import { type ChildProcess, spawn } from 'node:child_process';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { afterAlive } from '@vaultplane/platform/time/clock.ts';
import { CommandGroup } from './command-group.ts';
import type { GroupWitness } from './group-witness.ts';
import { launchOf } from './launch.ts';
import { adoptOrphans } from './orphans.ts';
import { type CaughtSignals, isEnding, statusOf } from './signals.ts';

/** How often what a command has started is looked at, while it is to end: no event tells of the end of others' children. */
const LOOK_EVERY_MS = 50;

export interface SupervisedOptions {
  signals: CaughtSignals;
  /** undefined where there is none: then what a terminal sends is told by the terminal alone. */
  witness: GroupWitness | undefined;
  /** How long a run that is to be replaced may take to end by itself, in milliseconds. */
  graceMs: number;
  /** Open files from 3 up that the command gets at the same numbers. */
  files: readonly number[];
  /** Signals that the command ignores from its start on, and that are not passed on. */
  ignored: readonly NodeJS.Signals[];
}

/** A terminal sends these to its whole foreground process group. */
const SENT_BY_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH'];

/**
 * A command that runs in this program's place: same terminal, streams and process group, signals passed on to it and to all
 * that it has started. It can be replaced by a new run with another environment.
 */
export class SupervisedCommand {
  /** The exit status of the last run; 128 + n when signal n ended it. @throws StartError when it can't be started */
  readonly ended: Promise<number>;
  readonly #command: readonly string[];
  readonly #options: SupervisedOptions;
  readonly #end = Promise.withResolvers<number>();
  #child: ChildProcess | null = null;
  #group: CommandGroup | null = null;
  #replacement: NodeJS.ProcessEnv | null = null;
  #cancelKill = () => {};
  #endedBy: NodeJS.Signals | null = null;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv, options: SupervisedOptions) {
    this.#command = command;
    this.#options = options;
    const { signals, witness } = options;
    const letOrphans = adoptOrphans((pid) => pid === this.#child?.pid || pid === witness?.pid);
    signals.passTo((signal) => void this.#pass(signal));
    this.ended = this.#end.promise.finally(() => {
      signals.release();
      letOrphans();
      witness?.stop();
    });
    this.#start(env);
  }

  /** SIGTERM to all of it, SIGKILL after the grace period to what is left, then a new run. */
  restart(env: NodeJS.ProcessEnv): void {
    const isStopping = this.#replacement !== null;
    this.#replacement = env;
    if (isStopping) return;
    this.#group?.signal('SIGTERM');
    this.#cancelKill = afterAlive(this.#options.graceMs, () => this.#group?.signal('SIGKILL'));
  }

  signal(signal: NodeJS.Signals): void {
    this.#group?.signal(signal);
  }

  #start(env: NodeJS.ProcessEnv): void {
    const launch = launchOf(this.#command, env, this.#options.ignored);
    const child = spawn(launch.file, launch.args, { stdio: stdioWith(this.#options.files), env: launch.env });
    this.#child = child;
    if (child.pid !== undefined) {
      const { witness } = this.#options;
      this.#group = new CommandGroup(child.pid, (pid) => pid === witness?.pid);
    }
    child.once('error', (error) => {
      // Also told of a signal that could not be sent.
      if (child.pid === undefined)
        this.#end.reject(new StartError(`${this.#command[0]} can't be started: ${errorMessage(error)}`));
    });
    child.once('exit', (status, signal) => {
      this.#child = null;
      void this.#goOn(signal ? statusOf(signal) : (status ?? 1));
    });
  }

  /** After the command itself has ended. */
  async #goOn(status: number): Promise<void> {
    while (this.#replacement && !this.#endedBy && !this.#group!.isGone) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    this.#cancelKill();
    const replacement = this.#replacement;
    this.#replacement = null;
    if (replacement && !this.#endedBy) this.#start(replacement);
    else this.#end.resolve(status);
  }

  async #pass(signal: NodeJS.Signals): Promise<void> {
    if (isEnding(signal) && this.#replacement) this.#endedBy = signal;
    const group = this.#group;
    if (!group || (group.sharesOurs && (await this.#reachedAll(signal)))) return;
    group.signal(signal);
  }

  /** Whether a signal was sent to the whole process group of this program, and so has reached the command by itself. */
  #reachedAll(signal: NodeJS.Signals): Promise<boolean> | boolean {
    const { witness } = this.#options;
    return witness ? witness.hasSeen(signal) : process.stdin.isTTY && SENT_BY_TERMINAL.includes(signal);
  }
}

/** The streams of this program, and the files at their numbers. */
function stdioWith(files: readonly number[]): Array<'inherit' | 'ignore' | number> {
  const count = Math.max(3, ...files.map((fd) => fd + 1));
  return Array.from({ length: count }, (_, fd) => {
    if (fd < 3) return 'inherit';
    return files.includes(fd) ? fd : 'ignore';
  });
}
