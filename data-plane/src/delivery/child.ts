import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';

/** Passed on to the child, as if it ran in this program's place. */
const PASSED_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
/** A terminal sends these to the child itself, which is in the foreground too; a second one would count as a second keypress. */
const SENT_BY_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH'];

/**
 * Runs a command in this program's place: same terminal and streams, signals passed on.
 *
 * @returns its exit status; 128 + n when signal n ended it
 * @throws StartError when it can't be started
 */
export async function runChild(command: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file, ...args] = command;
  const child = spawn(file!, args, { stdio: 'inherit', env });
  const stopPassing = passSignals(child);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(new StartError(`${file} can't be started: ${errorMessage(error)}`)));
      child.once('exit', (status, signal) => resolve(signal ? 128 + constants.signals[signal] : (status ?? 1)));
    });
  } finally {
    stopPassing();
  }
}

function passSignals(child: ChildProcess): () => void {
  const listeners = PASSED_SIGNALS.map((signal) => {
    const listener = () => {
      if (!(process.stdin.isTTY && SENT_BY_TERMINAL.includes(signal))) child.kill(signal);
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
}
