import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { Program } from '@vaultplane/local/program.ts';
import type { Page } from 'playwright-core';
import { type ControlPlane, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { ManagerBrowser, type PageOptions } from './manager-browser.ts';
import { SimulatedFleet } from './simulated-fleet.ts';

export const ADMIN_TOKEN = 'canary-admin-token-0123456789';
export const VAULTS = ['aws-sm-vault', 'aws-eu', 'payments'] as const;

/** A control plane with an admin token, three real data planes that hold secrets, and a simulated fleet. */
export class ManagerScene {
  readonly deployment = new Deployment();
  readonly emulator: Emulator;
  controlPlane!: ControlPlane;
  controlPlaneProcess!: Program;
  readonly dataPlanes: DataPlane[] = [];
  fleet!: SimulatedFleet;
  #browser: ManagerBrowser | undefined;

  private constructor(emulator: Emulator) {
    this.emulator = emulator;
  }

  static async start(simulated: number): Promise<ManagerScene> {
    const scene = new ManagerScene(await startEmulator());
    try {
      await scene.#start(simulated);
      return scene;
    } catch (error) {
      await scene.stop();
      throw error;
    }
  }

  async #start(simulated: number): Promise<void> {
    const { deployment, emulator } = this;
    const keyring = join(deployment.folder, 'keyring');
    writeFileSync(keyring, randomBytes(32).toString('hex'), { mode: 0o600 });
    this.controlPlane = await deployment.planControlPlane('cp', {
      VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN,
      VAULTPLANE_KEYRING_KEY_FILE: keyring,
    });
    this.controlPlaneProcess = await this.controlPlane.start();
    const vault = (prefix: string, body: object) => this.call('PUT', `/vaults/${prefix}`, body);
    await vault('aws-sm-vault', {
      name: 'aws',
      description: 'Storing secrets in AWS Secrets Manager',
      config: { region: 'us-east-1' },
      tags: ['prod'],
    });
    await vault('aws-eu', {
      name: 'aws',
      description: 'Secrets of the European shops',
      config: { region: 'eu-central-1', ttl: 300, neg_ttl: 30, resurrect_ttl: 86400 },
      tags: ['prod', 'eu'],
    });
    await vault('payments', {
      name: 'aws',
      description: 'Card processing',
      config: { region: 'eu-west-1', ttl: 60, assume_role_arn: 'arn:aws:iam::123456789012:role/payments' },
      tags: ['pci'],
    });
    for (let n = 1; n <= 3; n++) {
      const dataPlane = await deployment.planDataPlane(`dp-${n}`, this.controlPlane, {
        ...emulator.environment,
        VAULTPLANE_CLUSTER_DP_LABELS: `zone:zone-${n},tier:shop`,
      });
      await dataPlane.start();
      this.dataPlanes.push(dataPlane);
    }
    emulator.putSecret('us-east-1', 'secret-name', { foo: 'canary-bar', snip: 'canary-snap' });
    for (const dataPlane of this.dataPlanes) await dataPlane.resolve('{vault://aws-sm-vault/secret-name/foo}');
    this.fleet = new SimulatedFleet(this.controlPlane);
    await this.fleet.start(simulated, [
      ['aws-sm-vault', '{vault://aws-sm-vault/secret-name}'],
      ['aws-eu', '{vault://aws-eu/shop/database/}'],
      ['aws-eu', '{vault://aws-eu/shop/sessions/}'],
      ['payments', '{vault://payments/acquirer}'],
    ]);
  }

  /** A call to the Admin API, as the administrator. */
  async call(method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Record<string, unknown>> {
    const response = await fetch(this.controlPlane.adminUrl + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>);
  }

  /** A browser's page, not signed in. */
  open(options?: PageOptions): Promise<Page> {
    return this.browser.open(options);
  }

  get browser(): ManagerBrowser {
    this.#browser ??= new ManagerBrowser(this.controlPlane.adminUrl);
    return this.#browser;
  }

  get url(): string {
    return this.browser.url;
  }

  signIn(page: Page, token = ADMIN_TOKEN, place = ''): Promise<void> {
    return this.browser.signIn(page, token, place);
  }

  async stop(): Promise<void> {
    await this.#browser?.stop();
    await this.fleet?.stop();
    await this.deployment.stop();
    await this.emulator.stop();
  }
}
