import { readFileSync } from 'node:fs';
import type { Preparation } from '../benchmark.ts';
import type { StartedControlPlane } from './control-plane-main.ts';
import type { LinksInput, Recorded } from './links-main.ts';
import { FleetProgram, type ProcessFacts } from './program.ts';

const script = (name: string) => new URL(`./${name}`, import.meta.url);

/** A server and its links, each side a process of its own. */
export class Side {
  readonly server: FleetProgram;
  readonly links: FleetProgram;
  readonly #input: Omit<LinksInput, 'count' | 'atOnce'>;

  constructor(server: FleetProgram, links: FleetProgram, input: Omit<LinksInput, 'count' | 'atOnce'>) {
    this.server = server;
    this.links = links;
    this.#input = input;
  }

  async connect(count: number, atOnce = Math.min(count, 32)): Promise<void> {
    await this.links.call('connect', { ...this.#input, count, atOnce });
  }

  /** New links that have nothing, until they have the whole configuration. */
  async connectNew(count: number): Promise<void> {
    await this.connect(count);
    await this.links.call('hello', { had: false });
    await this.links.call('untilConfigs', 1);
  }

  /** Links that come back with what this side sent last. */
  async reconnect(count: number, atOnce?: number): Promise<number> {
    await this.connect(count, atOnce);
    await this.links.call('hello', { had: true });
    return this.links.call<number>('untilWelcomed');
  }

  close(): Promise<void> {
    return this.links.call('close');
  }

  facts(): Promise<ProcessFacts> {
    return this.server.call('facts');
  }
}

/** A control plane with so many vaults, and a bare server that sends the same bytes over the same TLS. */
export interface Scene {
  controlPlane: Side;
  bare: Side;
  /** Changes one vault: one version. */
  change(): Promise<void>;
  /** What the control plane sent to a new link, and after one change. */
  recorded: Recorded;
}

export async function startScene(vaults: number, { signal, stoppers, note }: Preparation): Promise<Scene> {
  note(`preparing a control plane with ${vaults.toLocaleString('en')} vaults`);
  const start = (name: string) => {
    const program = new FleetProgram(script(name), signal);
    stoppers.add(name, () => program.stop());
    return program;
  };
  const server = start('control-plane-main.ts');
  const started = await server.call<StartedControlPlane>('start', { vaults });
  const certificate = {
    cert: readFileSync(started.certificateFile, 'utf8'),
    key: readFileSync(started.keyFile, 'utf8'),
  };
  const controlPlane = new Side(server, start('links-main.ts'), { url: started.clusterUrl, ...certificate });
  let changes = 0;
  const change = async () => {
    // Of one length, so that each change is as many bytes.
    const body = new URLSearchParams({ description: `changed ${String(++changes).padStart(6, '0')}` });
    const answer = await fetch(`${started.adminUrl}/vaults/vault-1-x`, { method: 'PATCH', body });
    const said = await answer.text();
    if (answer.status !== 200) throw new Error(`PATCH: ${answer.status} ${said}`);
  };

  await controlPlane.connectNew(1);
  await change();
  await controlPlane.links.call('untilConfigs', 2);
  if ((await controlPlane.links.call<number>('verify')) !== vaults) throw new Error('not all vaults came');
  const recorded = await controlPlane.links.call<Recorded>('recorded');
  await controlPlane.close();

  const bareServer = start('bare-cluster-main.ts');
  const url = await bareServer.call<string>('listen', certificate);
  const bare = new Side(bareServer, start('links-main.ts'), { url, ...certificate });
  await bareServer.call('answerHelloWith', [recorded.welcome, recorded.configs[0]!]);
  return { controlPlane, bare, change, recorded };
}
