import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface FleetSettings {
  size: number;
  /** HOST:PORT of the control planes. */
  endpoints: string[];
  certFile: string;
  keyFile: string;
}

export interface FleetFacts {
  connected: number;
  /** How many of those that are connected have the configuration of a hash. */
  byHash: Record<string, number>;
}

const MAIN = fileURLToPath(new URL('simulated-fleet-main.ts', import.meta.url));
/** A single process would itself be what a thousand TLS handshakes wait for. */
const PROCESSES = 4;

/**
 * Many data planes in few processes, as far as a control plane can see: each with a link of the real client over real
 * TLS, that keeps its configuration and reconnects as a data plane does, but with no applications and no disk.
 */
export class SimulatedFleet {
  readonly size: number;
  readonly #children: ChildProcess[];
  readonly #facts: FleetFacts[] = [];

  constructor(settings: FleetSettings) {
    this.size = settings.size;
    this.#children = Array.from({ length: PROCESSES }, (_, index) => {
      const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      child.on('message', (facts: FleetFacts) => {
        this.#facts[index] = facts;
      });
      const size = Math.floor((settings.size + index) / PROCESSES);
      child.send({ ...settings, size } satisfies FleetSettings);
      return child;
    });
  }

  get connected(): number {
    return this.#sum(({ connected }) => connected);
  }

  /** How many are connected and have the configuration of this hash. */
  having(hash: string): number {
    return this.#sum(({ byHash }) => byHash[hash] ?? 0);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        if (child.exitCode !== null) return;
        child.disconnect();
        await ended;
      }),
    );
  }

  #sum(of: (facts: FleetFacts) => number): number {
    return this.#facts.reduce((sum, facts) => sum + (facts ? of(facts) : 0), 0);
  }
}
