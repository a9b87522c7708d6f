import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { StartError } from '@vaultplane/platform/errors.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';

export interface ProgramOptions {
  /** For messages. */
  name: string;
  /** The program's main file; it is run by the Node.js that runs this. */
  main: URL | string;
  args: string[];
  /** A command in front of it, such as `ip netns exec NAME`; it must replace itself by the program. */
  through?: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** Both its stdout and its stderr are appended here. */
  logFile: string;
  /** A URL that answers 200 once the program is of use. */
  readyUrl: string;
  /** Milliseconds that it may take to become ready. */
  readyWithinMs?: number;
  signal?: AbortSignal;
}

/** How a process ended: one of the two is null. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** One of the project's programs as a process of its own. */
export class Program {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#logFile = options.logFile;
    mkdirSync(dirname(options.logFile), { recursive: true });
    // A file, not a pipe: the program goes on when whoever started it is gone, and its words can be searched.
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
    const log = openSync(options.logFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const main = options.main instanceof URL ? options.main.pathname : options.main;
      const [command, ...args] = [
        ...(options.through ?? []),
        process.execPath,
        '--disable-sigusr1',
        main,
        ...options.args,
      ];
      this.#child = spawn(command!, args, {
        env: options.env,
        cwd: options.cwd,
        stdio: ['ignore', log, log],
        // Its own process group: Ctrl-C reaches whoever started it, and that one stops everything in order.
        detached: true,
      });
    } finally {
      closeSync(log);
    }
    // Whoever started it and ends without stopping it leaves nothing behind.
    const killHard = () => this.#child.kill('SIGKILL');
    process.once('exit', killHard);
    this.exited = new Promise<Exit>((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
      this.#child.once('error', () => resolve({ code: 1, signal: null }));
    }).finally(() => process.off('exit', killHard));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything that the program has written, and programs that had its log file before it. */
  get output(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Sends a signal and waits until the process has ended. */
  async kill(signal: NodeJS.Signals): Promise<Exit> {
    if (this.running) this.#child.kill(signal);
    return this.exited;
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL after `graceMs` milliseconds. */
  async stop(graceMs = 8000): Promise<Exit> {
    const cancel = systemClock.after(graceMs, () => this.#child.kill('SIGKILL'));
    try {
      return await this.kill('SIGTERM');
    } finally {
      cancel();
    }
  }
}

/**
 * Starts a program and waits until it is ready.
 *
 * @throws StartError with the program's last words when it ends before, or is not ready in time
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const program = new Program(options);
  let ended = false;
  void program.exited.then(() => {
    ended = true;
  });
  try {
    await untilOk(options.readyUrl, {
      withinMs: options.readyWithinMs ?? 60_000,
      unless: () => ended,
      ...(options.signal && { signal: options.signal }),
    });
    return program;
  } catch (error) {
    await program.stop();
    if (options.signal?.aborted) throw error;
    const words = program.output.trimEnd().split('\n').slice(-3).join('\n');
    throw new StartError(`the ${options.name} did not start; its last words, of ${options.logFile}:\n${words}`);
  }
}

/** Asks a URL until it answers 200: another process has no event that could be waited for. */
async function untilOk(
  url: string,
  { withinMs, unless, signal }: { withinMs: number; unless: () => boolean; signal?: AbortSignal },
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!unless() && performance.now() < end) {
    signal?.throwIfAborted();
    const ok = await fetch(url, { signal: AbortSignal.timeout(2000) })
      .then(async (response) => {
        await response.body?.cancel();
        return response.ok;
      })
      .catch(() => false);
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new StartError(`${url} did not answer 200`);
}
