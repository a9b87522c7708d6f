import type { WriteStream } from 'node:tty';

const BAR_WIDTH = 24;

/** How far a long run is: one line that is written over on a terminal, plain lines elsewhere. */
export class Progress {
  readonly #out: WriteStream;
  #shown = false;

  constructor(out: WriteStream) {
    this.#out = out;
  }

  /** @param part from 0 to 1 */
  show(part: number, text: string): void {
    if (!this.#out.isTTY) {
      this.#out.write(`${text}\n`);
      return;
    }
    const filled = Math.round(part * BAR_WIDTH);
    const line = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${text}`.slice(
      0,
      (this.#out.columns || 80) - 1,
    );
    this.#out.write(`\r\x1b[K${line}`);
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#out.write('\r\x1b[K');
    this.#shown = false;
  }
}
