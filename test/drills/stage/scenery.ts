import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { ProvisionedBao } from '@vaultplane/backends/testing/provisioned-bao.ts';
import { type PostgresServer, startPostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { type GcpEmulator, type GcpEmulatorOptions, startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import type { GrantForm } from '@vaultplane/model/upstream-policy/grant.ts';
import { type ControlPlane, type DataPlane, Deployment, THIS_HOST } from '../../e2e/deployment.ts';
import { Applications, type Doorway } from './applications.ts';
import { ClusterCertificate } from './cluster-certificate.ts';
import { fastTime, SettableClock } from './faked-time.ts';
import { LinkProxy } from './link-proxy.ts';
import { FarHost, mountSmall, NEAR_HOST } from './machine.ts';
import { callsOf } from './observer.ts';
import { Player } from './player.ts';
import type { Scene } from './scene.ts';
import { Secrets } from './secrets.ts';

/** Member `foo` of a secret that is rotated all the time, of a vault with a short ttl. */
export const ROTATING = '{vault://aws-sm-vault/secret-name/foo}';
/** Another member of the same secret. */
export const ROTATING_USER = '{vault://aws-sm-vault/secret-name/user}';
/** A plain secret of the same vault, which does not change. */
export const PLAIN = '{vault://aws-sm-vault/api-key}';
/** A secret of a vault whose values are kept for ever. */
export const KEPT = '{vault://kept/database/password}';

/** As ROTATING, of a vault in Google Cloud, where the scene has one. */
export const IN_GOOGLE = '{vault://gcp-sm-vault/in-google/foo}';

/** As ROTATING, of a vault in OpenBao, where the scene has one. */
export const IN_OPENBAO = '{vault://hcv-vault/in-openbao/foo}';

/** How often the rotating secret is rotated, milliseconds. */
const ROTATION_MS = 3000;

interface Parts {
  certificate: ClusterCertificate;
  emulator: Emulator;
  gcp: GcpEmulator;
  openBao: ProvisionedBao;
  secrets: Secrets;
  dataPlane: Player<DataPlane>;
  applications: Applications;
  postgres: PostgresServer;
  proxy: LinkProxy;
  farHost: FarHost;
  clock: SettableClock;
}

/** The programs and services of one drill, real ones, and the applications that ask from the beginning to the end. */
export class Scenery {
  readonly deployment = new Deployment();
  readonly begun = performance.now();
  readonly controlPlanes: Player<ControlPlane>[] = [];
  readonly #parts: Partial<Parts> = {};
  #near = THIS_HOST;
  #unmount = async () => {};
  #scene: Scene = {};

  get emulator(): Emulator {
    return this.#part('emulator');
  }
  get gcp(): GcpEmulator {
    return this.#part('gcp');
  }
  get openBao(): ProvisionedBao {
    return this.#part('openBao');
  }
  get secrets(): Secrets {
    return this.#part('secrets');
  }
  get dataPlane(): Player<DataPlane> {
    return this.#part('dataPlane');
  }
  get controlPlane(): Player<ControlPlane> {
    return this.controlPlanes[0]!;
  }
  get applications(): Applications {
    return this.#part('applications');
  }
  get postgres(): PostgresServer {
    return this.#part('postgres');
  }
  get proxy(): LinkProxy {
    return this.#part('proxy');
  }
  get farHost(): FarHost {
    return this.#part('farHost');
  }
  get clock(): SettableClock {
    return this.#part('clock');
  }

  get certificate(): ClusterCertificate {
    return this.#part('certificate');
  }
  /** Where control planes export their configuration to, if the scene says so. */
  get exportUrl(): string {
    return `file://${join(this.deployment.folder, 'export')}`;
  }

  /** Calls that AWS has received so far. */
  get upstreamCalls(): number {
    return callsOf(this.emulator);
  }

  /** Starts everything; `tearDown` ends what was started, also after this has failed. */
  async setUp(scene: Scene): Promise<void> {
    this.#scene = scene;
    // Postgres runs under another account, and its files are below.
    chmodSync(this.deployment.folder, 0o711);
    if (scene.farDataPlane) {
      this.#parts.farHost = await FarHost.create();
      this.#near = NEAR_HOST;
    }
    await this.#startAws();
    if (scene.gcp) await this.#startGoogle(scene.gcp);
    if (scene.openBao) await this.#startOpenBao();
    await this.#startControlPlanes();
    await this.#startDataPlane();
    await this.#makeVaults();
    await this.#startApplications();
  }

  async tearDown(): Promise<void> {
    this.#parts.secrets?.stopRotating();
    await this.#parts.applications?.stop();
    await Promise.all([...this.controlPlanes, this.#parts.dataPlane].map((player) => player?.stop()));
    await this.#unmount();
    await this.deployment.stop();
    await this.#parts.proxy?.stop();
    await this.#parts.emulator?.stop();
    await this.#parts.gcp?.stop();
    await this.#parts.openBao?.stop();
    await this.#parts.postgres?.stop();
  }

  /** What a data plane needs to ask the emulated AWS, and to reach the control planes. */
  async planDataPlane(name: string, env: NodeJS.ProcessEnv = {}): Promise<Player<DataPlane>> {
    const { farHost, proxy } = this.#parts;
    const addresses = this.controlPlanes.map(({ plan }) => plan.clusterAddress);
    const plan = await this.deployment.planDataPlane(
      name,
      this.controlPlane.plan,
      {
        ...this.#awsEnvironment(),
        ...(this.#parts.gcp && { GCE_METADATA_HOST: this.gcp.metadataHost }),
        ...this.#upstreamPolicy(),
        VAULTPLANE_CLUSTER_CONTROL_PLANE: proxy?.address ?? addresses.join(','),
        ...(farHost && { VAULTPLANE_API_UNIX_SOCKET: join(this.deployment.folder, `${name}.sock`) }),
        ...env,
      },
      farHost,
    );
    return new Player(plan);
  }

  /** What the vaults of this scene need of the data plane's own. */
  #upstreamPolicy(): NodeJS.ProcessEnv {
    const { gcp, openBao } = this.#parts;
    const grants: GrantForm[] = [];
    if (gcp) grants.push({ type: 'gcp', destination: gcp.url, identity: true });
    if (openBao) {
      const destination = `http://${openBao.server.address}`;
      grants.push({ type: 'hcv', destination, files: [openBao.secretIdFile] });
    }
    return grants.length === 0 ? {} : this.deployment.policy(grants);
  }

  /** What the data plane's environment says of AWS. */
  #awsEnvironment(): NodeJS.ProcessEnv {
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...rest } = this.emulator.environment;
    if (this.#scene.credentials !== 'container') return this.emulator.environment;
    const { containerCredentialsUrl, containerToken } = this.emulator;
    return {
      ...rest,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: containerCredentialsUrl,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: containerToken ?? '',
    };
  }

  async #startAws(): Promise<void> {
    const { timeRate, emulator } = this.#scene;
    const origin = Date.now();
    this.#parts.emulator = await startEmulator({
      host: this.#near.address,
      ...(timeRate !== undefined && { clock: () => origin + (Date.now() - origin) * timeRate }),
      ...emulator,
    });
    this.#parts.secrets = new Secrets({
      put: (name, value) => void this.emulator.putSecret('us-east-1', name, value),
      delete: (name) => void this.emulator.deleteSecret('us-east-1', name),
    });
    this.secrets.rotate('secret-name', ROTATION_MS, (turn) => ({ foo: `foo-${turn}`, user: `user-${turn}` }));
    this.secrets.put('api-key', 'a key');
    this.secrets.put('database', { password: 'a password' });
  }

  async #startGoogle(options: GcpEmulatorOptions): Promise<void> {
    const emulator = await startGcpEmulator({ host: this.#near.address, ...options });
    this.#parts.gcp = emulator;
    const place = {
      put: (name: string, value: unknown) => void emulator.putSecret(name, value),
      delete: (name: string) => void emulator.deleteSecret(name),
    };
    for (const name of ['in-google', 'late-in-google']) this.secrets.keepIn(place, name);
    this.secrets.rotate('in-google', ROTATION_MS, (turn) => ({ foo: `foo-in-google-${turn}` }));
  }

  async #startOpenBao(): Promise<void> {
    this.#parts.openBao = await ProvisionedBao.start(join(this.deployment.folder, 'secret-id'));
    for (const name of ['in-openbao', 'late-in-openbao']) this.secrets.keepIn(this.openBao, name);
    this.secrets.rotate('in-openbao', ROTATION_MS, (turn) => ({ foo: `foo-in-openbao-${turn}` }));
  }

  async #startControlPlanes(): Promise<void> {
    const { controlPlanes = 1, postgres = controlPlanes > 1, linkThroughProxy, controlPlaneEnv } = this.#scene;
    const { exported, certificateLifeSeconds } = this.#scene;
    const settings: NodeJS.ProcessEnv = {};
    if (postgres) {
      this.#parts.postgres = await startPostgresServer();
      settings.VAULTPLANE_DATABASE = 'postgres';
      settings.VAULTPLANE_PG_PORT = String(this.postgres.port);
      settings.VAULTPLANE_PG_DATABASE = await this.postgres.createDatabase();
    }
    const certificate: NodeJS.ProcessEnv = {};
    if (exported) settings.VAULTPLANE_CONFIG_EXPORT_URL = this.exportUrl;
    if (certificateLifeSeconds !== undefined) {
      this.#parts.certificate = new ClusterCertificate(this.deployment.folder, certificateLifeSeconds);
      certificate.VAULTPLANE_CLUSTER_CERT = this.certificate.certFile;
      certificate.VAULTPLANE_CLUSTER_CERT_KEY = this.certificate.keyFile;
    }
    for (let number = 1; number <= controlPlanes; number++) {
      const env = { ...settings, ...certificate, ...controlPlaneEnv };
      const player = new Player(await this.deployment.planControlPlane(`cp-${number}`, env, this.#near));
      await player.start();
      this.controlPlanes.push(player);
      // All of them show the one that the first has made.
      certificate.VAULTPLANE_CLUSTER_CERT = this.controlPlane.plan.clusterCert;
      certificate.VAULTPLANE_CLUSTER_CERT_KEY = this.controlPlane.plan.clusterCertKey;
    }
    if (linkThroughProxy) this.#parts.proxy = await LinkProxy.start(this.controlPlane.plan.clusterAddress);
  }

  async #startDataPlane(): Promise<void> {
    const { dataDirBytes, timeRate, settableClock, persist, dataPlaneEnv } = this.#scene;
    const clock: NodeJS.ProcessEnv = timeRate === undefined ? {} : fastTime(timeRate);
    if (settableClock) {
      this.#parts.clock = new SettableClock(this.deployment.folder);
      Object.assign(clock, this.clock.env);
    }
    const secrets: NodeJS.ProcessEnv = {};
    if (persist) {
      const keyFile = join(this.deployment.folder, 'secrets.key');
      writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
      Object.assign(secrets, { VAULTPLANE_SECRETS_PERSIST: 'on', VAULTPLANE_SECRETS_KEY_FILE: keyFile });
    }
    this.#parts.dataPlane = await this.planDataPlane('dp', { ...clock, ...secrets, ...dataPlaneEnv });
    if (dataDirBytes !== undefined) this.#unmount = await mountSmall(this.dataPlane.plan.dataDir, dataDirBytes);
    await this.dataPlane.start();
  }

  async #makeVaults(): Promise<void> {
    const { plan } = this.controlPlane;
    const region = { name: 'aws', 'config.region': 'us-east-1' };
    await plan.putVault('aws-sm-vault', { ...region, 'config.ttl': '2', ...this.#scene.vault });
    await plan.putVault('kept', region);
    const { gcp } = this.#parts;
    if (gcp) await plan.putVault('gcp-sm-vault', { name: 'gcp', 'config.endpoint_url': gcp.url, 'config.ttl': '2' });
    const { openBao } = this.#parts;
    if (openBao) await plan.putVault('hcv-vault', { ...openBao.vaultForm, 'config.ttl': '2' });
    await this.dataPlane.plan.caughtUpWith(plan);
  }

  async #startApplications(): Promise<void> {
    const rotating = { reference: ROTATING, secret: 'secret-name', key: 'foo' };
    const doorway = { ...doorwayOf(this.dataPlane.plan), isHasty: this.#scene.timeRate !== undefined };
    const applications = new Applications(doorway, this.secrets, this.begun);
    this.#parts.applications = applications;
    applications.watch(rotating);
    applications.watch({ reference: PLAIN, secret: 'api-key' });
    applications.watch({ reference: KEPT, secret: 'database', key: 'password' });
    applications.watchPair(rotating, { reference: ROTATING_USER, secret: 'secret-name', key: 'user' });
    const inGoogle = this.#parts.gcp ? [IN_GOOGLE] : [];
    for (const reference of inGoogle) applications.watch({ reference, secret: 'in-google', key: 'foo' });
    const inOpenBao = this.#parts.openBao ? [IN_OPENBAO] : [];
    for (const reference of inOpenBao) applications.watch({ reference, secret: 'in-openbao', key: 'foo' });
    const answers = await applications.lookUpMany([ROTATING, ROTATING_USER, PLAIN, KEPT, ...inGoogle, ...inOpenBao]);
    const failed = answers.find(({ error }) => error);
    if (failed) throw new Error(`before anything was broken, ${failed.reference} failed: ${failed.error?.message}`);
  }

  #part<K extends keyof Parts>(name: K): Parts[K] {
    const part = this.#parts[name];
    if (part === undefined) throw new Error(`this scene has no ${name}`);
    return part as Parts[K];
  }
}

/** Where applications ask a data plane: its Unix socket where it has one, else its port. */
export function doorwayOf(plan: DataPlane): Doorway {
  const socketPath = plan.env.VAULTPLANE_API_UNIX_SOCKET;
  const { hostname, port } = new URL(plan.apiUrl);
  let token: string | undefined;
  return {
    target: socketPath === undefined ? { host: hostname, port: Number(port) } : { socketPath },
    token: () => {
      token ??= readFileSync(join(plan.dataDir, 'api-token'), 'utf8').trim();
      return token;
    },
  };
}
