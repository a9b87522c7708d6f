import { type ChildProcess, spawn } from 'node:child_process';
import { withoutSig } from './launch.ts';

/** Longer than a busy machine takes to answer. A witness that is stopped, as by Ctrl-Z, does not answer at all. */
const ANSWER_WITHIN_MS = 2000;

/**
 * Says of each signal that it is asked about whether it has got that too since it was asked last. A trapped signal ends
 * `read` with an error, which is no end of the input then. Only built-in commands: nothing is started.
 */
const SCRIPT = `
interrupted=
for signal in "$@"; do trap "got_$signal=yes interrupted=yes" "$signal"; done
echo ready
while :; do
  if read -r signal; then
    eval "answer=\\$got_$signal; got_$signal="
    echo "\${answer:-no}"
  elif [ "$interrupted" ]; then interrupted=
  else exit
  fi
done`;

/**
 * A small process in the process group of this program, by which a signal that was sent to the whole group (Ctrl-C on a
 * terminal, \`kill %1\` in a shell, a service manager that ends a cgroup) can be told from one that was sent to this program
 * alone: Node.js does not say who has sent a signal. It has nothing in its environment, and ends with this program.
 */
export class GroupWitness {
  readonly #shell: ChildProcess;
  readonly #answers: Array<(answer: string | undefined) => void> = [];
  readonly #questions = new Map<NodeJS.Signals, Promise<boolean>>();

  private constructor(signals: readonly NodeJS.Signals[]) {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'vaultplane-dp-signals', ...signals.map(withoutSig)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {},
    });
    this.#shell.unref();
    this.#shell.stdout!.setEncoding('utf8').on('data', (text: string) => {
      for (const answer of text.trimEnd().split('\n')) this.#answers.shift()?.(answer);
    });
    (this.#shell.stdout as unknown as { unref(): void }).unref();
    (this.#shell.stdin as unknown as { unref(): void }).unref();
    this.#shell.stdin!.on('error', () => {});
    const giveUp = () => {
      for (const answer of this.#answers.splice(0)) answer(undefined);
    };
    this.#shell.once('error', giveUp);
    this.#shell.once('exit', giveUp);
  }

  /** undefined where there is no shell. */
  static async start(signals: readonly NodeJS.Signals[]): Promise<GroupWitness | undefined> {
    const witness = new GroupWitness(signals);
    return (await witness.#answer()) === 'ready' ? witness : undefined;
  }

  get pid(): number | undefined {
    return this.#shell.pid;
  }

  /** Whether a signal that this program has just got was sent to its whole process group. */
  hasSeen(signal: NodeJS.Signals): Promise<boolean> {
    const asked = this.#questions.get(signal);
    if (asked) return asked;
    const question = this.#ask(signal).finally(() => this.#questions.delete(signal));
    this.#questions.set(signal, question);
    return question;
  }

  stop(): void {
    this.#shell.stdin!.end();
  }

  async #ask(signal: NodeJS.Signals): Promise<boolean> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null) return false;
    this.#shell.stdin!.write(`${withoutSig(signal)}\n`);
    return (await this.#answer()) === 'yes';
  }

  #answer(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, ANSWER_WITHIN_MS, undefined);
      this.#answers.push((answer) => {
        clearTimeout(late);
        resolve(answer);
      });
    });
  }
}
