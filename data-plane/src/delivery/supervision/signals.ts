import { constants as files, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { parseSignal } from '../signal-name.ts';

/**
 * What can be caught and makes sense to another process; the rest are faults of a process itself, or its own timers.
 * SIGUSR1 is not among them: Node.js blocks it under --disable-sigusr1, and would open its debugger without.
 */
const PASSED: readonly NodeJS.Signals[] = [
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
];

/** Those of them that this system has. */
export const PASSED_SIGNALS = PASSED.filter((signal) => signal in constants.signals);

/** Whoever sends one of these wants the whole to end, also in the moment between two runs of the command. */
const ENDING: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'];

/** The exit status that a shell gives to what has died of a signal. */
export function statusOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * Catches the signals that are passed on, from its making on: one that comes while there is no command yet, to which it
 * could go, ends this program, which process 1 would otherwise not do (signal(7): it has no default actions).
 */
export class CaughtSignals {
  readonly #ignored: readonly NodeJS.Signals[];
  #onSignal: (signal: NodeJS.Signals) => void = (signal) => {
    if (isEnding(signal)) process.exit(statusOf(signal));
  };
  readonly #listeners = PASSED_SIGNALS.map((signal) => {
    const listener = () => {
      if (!this.#ignored.includes(signal)) this.#onSignal(signal);
    };
    process.on(signal, listener);
    return { signal, listener };
  });

  /** @param ignored what was ignored when this program was started, as SIGHUP under nohup: nothing comes of it */
  constructor(ignored: readonly NodeJS.Signals[]) {
    this.#ignored = ignored;
  }

  /** From now on signals go there. */
  passTo(onSignal: (signal: NodeJS.Signals) => void): void {
    this.#onSignal = onSignal;
  }

  release(): void {
    for (const { signal, listener } of this.#listeners) process.off(signal, listener);
  }
}

export function isEnding(signal: NodeJS.Signals): boolean {
  return ENDING.includes(signal);
}

/**
 * The signals that were ignored when this program was started. Node.js has reset them by now, and so the shell that has
 * started it says which they were (bin/vaultplane-dp); where none has, nohup is known by what it leaves in place of a
 * terminal: /dev/null as standard input, opened so that it can't be read.
 *
 * @param told by that shell: names with commas between them
 */
export function ignoredSignals(told: string | undefined): NodeJS.Signals[] {
  if (told !== undefined) return told.split(',').map(parseSignal);
  return isOfNohup() ? ['SIGHUP'] : [];
}

function isOfNohup(): boolean {
  try {
    const [, flags] = /^flags:\s*([0-7]+)/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8'))!;
    const isWriteOnly = (Number.parseInt(flags!, 8) & 0o3) === files.O_WRONLY;
    return isWriteOnly && readlinkSync('/proc/self/fd/0') === '/dev/null';
  } catch {
    return false;
  }
}
