import { TestDataPlane } from '@vaultplane/control-plane/fleet/testing/test-data-plane.ts';
import type { CommandMessage, ReferenceState } from '@vaultplane/model/protocol/protocol.ts';
import { REFERENCE_STATES } from '@vaultplane/model/protocol/protocol.ts';
import type { ControlPlane } from '../e2e/deployment.ts';

/** Many data planes as a control plane sees them: real links, and what is told over them made up. */
export class SimulatedFleet {
  readonly members: SimulatedDataPlane[] = [];
  readonly #controlPlane: ControlPlane;

  constructor(controlPlane: ControlPlane) {
    this.#controlPlane = controlPlane;
  }

  /** @param references what each holds, as `{vault://…}` of whole secrets */
  async start(count: number, references: ReadonlyArray<readonly [vault: string, reference: string]>): Promise<void> {
    const hosts = Array.from({ length: count }, (_, index) => `app-${String(index + 1).padStart(4, '0')}`);
    // Some at a time: it is their TLS that takes long, on this side too.
    while (hosts.length > 0) {
      const some = hosts.splice(0, 25);
      this.members.push(
        ...(await Promise.all(some.map((host) => SimulatedDataPlane.start(this.#controlPlane, host, references)))),
      );
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}

/** Version ids as AWS makes them; the second is the newer. */
export const VERSIONS = ['6f1c2f0a-5b9e-4a5e-8b9f-2f3c1a0d7e11', 'b7d4e9c2-1a3f-4c8d-9e60-7a5b2c4d8f22'] as const;

export class SimulatedDataPlane {
  readonly hostname: string;
  readonly #link: TestDataPlane;
  readonly #references: ReadonlyArray<readonly [string, string]>;

  private constructor(hostname: string, link: TestDataPlane, references: ReadonlyArray<readonly [string, string]>) {
    this.hostname = hostname;
    this.#link = link;
    this.#references = references;
  }

  static async start(
    controlPlane: ControlPlane,
    hostname: string,
    references: ReadonlyArray<readonly [string, string]>,
  ): Promise<SimulatedDataPlane> {
    const link = await TestDataPlane.start({
      controlPlane: {
        clusterUrl: `wss://${controlPlane.clusterAddress}/v1/cluster`,
        certificateFile: controlPlane.clusterCert,
        keyFile: controlPlane.clusterCertKey,
      },
      hello: {
        hostname,
        labels: { zone: `eu-west-1${'abc'[hostname.charCodeAt(hostname.length - 1) % 3]}` },
        accepts: ['command'],
      },
    });
    const member = new SimulatedDataPlane(hostname, link, references);
    link.socket.on('message', () => member.#heard());
    await link.until(({ snapshot }) => snapshot !== undefined);
    link.acknowledge();
    member.holds(VERSIONS[0], 'fresh');
    return member;
  }

  /** Tells that it holds every reference in one version and state. */
  holds(version: string, state: ReferenceState, fetchedAt = Math.floor(Date.now() / 1000)): void {
    const number = REFERENCE_STATES.indexOf(state);
    this.#link.send({
      type: 'references',
      names: this.#references.map(([vault, reference], index) => [index, vault, reference]),
      held: this.#references.map((_, index) => [index, number, version, fetchedAt]),
      gone: [],
      complete: true,
    });
    const counts = { fresh: 0, stale: 0, resurrected: 0, negative: 0, [state]: this.#references.length };
    this.#link.send({ type: 'report', references: counts, rejected_vaults: [] });
  }

  rejects(prefix: string, reason: string): void {
    const references = { fresh: this.#references.length, stale: 0, resurrected: 0, negative: 0 };
    this.#link.send({ type: 'report', references, rejected_vaults: [{ prefix, reason }] });
  }

  async stop(): Promise<void> {
    await this.#link.stop();
  }

  #heard(): void {
    const message = this.#link.messages.at(-1);
    if (message?.type === 'snapshot' || message?.type === 'delta') this.#link.acknowledge();
    if (message?.type === 'command') this.#obey(message);
  }

  #obey({ id }: CommandMessage): void {
    const asked = this.#references.length;
    this.holds(VERSIONS[1], 'fresh');
    this.#link.send({ type: 'command_result', id, status: 'done', asked, refreshed: asked, changed: asked, failed: 0 });
  }
}
