import type { Emulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { StatusFacts } from '@vaultplane/data-plane/status/status-facts.ts';
import { INTERVAL_MS } from './applications.ts';
import { LETTERS } from './timeline.ts';

/** Looks at a data plane's status and at AWS's calls at every interval, and writes down what it saw. */
export class Observer {
  readonly #letters: string[] = [];
  readonly #calls: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #lastCalls: number;

  constructor(status: () => Promise<StatusFacts | undefined>, emulator: Emulator, begun: number) {
    this.#lastCalls = callsOf(emulator);
    const look = async () => {
      const index = Math.floor((performance.now() - begun) / INTERVAL_MS);
      const calls = callsOf(emulator);
      this.#calls[index] = (this.#calls[index] ?? 0) + calls - this.#lastCalls;
      this.#lastCalls = calls;
      const facts = await status();
      if (!facts) this.#letters[index] = LETTERS.down;
      else this.#letters[index] = facts.control_plane.connected ? LETTERS.connected : LETTERS.disconnected;
    };
    this.#timer = setInterval(() => void look(), INTERVAL_MS);
  }

  get link(): string {
    let last: string = LETTERS.nothing;
    // An interval that was missed, by a status that came late, was as the one before.
    return Array.from(this.#letters, (letter) => {
      last = letter ?? last;
      return last;
    }).join('');
  }

  get upstreamCalls(): number[] {
    return Array.from(this.#calls, (count) => count ?? 0);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Calls that AWS has received so far. */
export function callsOf(emulator: Emulator): number {
  return Object.values(emulator.counts()).reduce((sum, count) => sum + count, 0);
}
