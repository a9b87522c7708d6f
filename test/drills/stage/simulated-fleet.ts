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

/**
 * Many data planes in one process, as far as a control plane can see: each with a link of the real client over real
 * TLS, that keeps its configuration and reconnects as a data plane does, but with no applications and no disk.
 */
export class SimulatedFleet {
  readonly size: number;
  readonly #child: ChildProcess;
  #facts: FleetFacts = { connected: 0, byHash: {} };

  constructor(settings: FleetSettings) {
    this.size = settings.size;
    this.#child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (facts: FleetFacts) => {
      this.#facts = facts;
    });
    this.#child.send(settings);
  }

  get connected(): number {
    return this.#facts.connected;
  }

  /** How many are connected and have the configuration of this hash. */
  having(hash: string): number {
    return this.#facts.byHash[hash] ?? 0;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await ended;
  }
}
