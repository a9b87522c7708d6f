import type { Program } from '@vaultplane/local/program.ts';

/** One program of the play: a plan that can be started again and again, and the process that it is now. */
export class Player<P extends { start(): Promise<Program> }> {
  readonly plan: P;
  #program: Program | undefined;
  #frozen = false;

  constructor(plan: P) {
    this.plan = plan;
  }

  async start(): Promise<void> {
    this.#program = await this.plan.start();
  }

  /** Ends at once, as by a crash. */
  async kill(): Promise<void> {
    await this.#program?.kill('SIGKILL');
  }

  /** Ends in order. */
  async stop(): Promise<void> {
    this.thaw();
    await this.#program?.stop();
  }

  /** It runs no more, and its connections stay open: nobody is told anything. */
  freeze(): void {
    this.#program?.send('SIGSTOP');
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#program?.send('SIGCONT');
    this.#frozen = false;
  }

  send(signal: NodeJS.Signals): void {
    this.#program?.send(signal);
  }

  get running(): boolean {
    return this.#program?.running ?? false;
  }

  /** Everything that it has written, its earlier lives too. */
  get output(): string {
    return this.#program?.output ?? '';
  }
}
