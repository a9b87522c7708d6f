import { constants } from 'node:os';

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
  #onSignal: (signal: NodeJS.Signals) => void = (signal) => {
    if (isEnding(signal)) process.exit(statusOf(signal));
  };
  readonly #listeners = PASSED_SIGNALS.map((signal) => {
    const listener = () => this.#onSignal(signal);
    process.on(signal, listener);
    return { signal, listener };
  });

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
