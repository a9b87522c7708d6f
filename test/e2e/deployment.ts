import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SNAPSHOT_FILE_NAME } from '@vaultplane/data-plane/config-sync/configuration.ts';
import { readSnapshotFile } from '@vaultplane/data-plane/config-sync/snapshot-file.ts';
import { type Program, startProgram } from '@vaultplane/local/program.ts';
import type { ConfigPosition } from '@vaultplane/model/snapshots/snapshot.ts';
import type { GrantForm } from '@vaultplane/model/upstream-policy/grant.ts';
import { freePorts } from '@vaultplane/testkit/free-ports.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const CONTROL_PLANE_MAIN = join(ROOT, 'control-plane/src/main.ts');
export const DATA_PLANE_MAIN = join(ROOT, 'data-plane/src/main.mjs');

/** What a data plane answers about one reference (specification.md §6). */
export interface Answer {
  reference: string;
  value?: string;
  encoding?: string;
  state?: string;
  version?: { id: string | null; stages: string[] };
  error?: { code: string; message: string };
  [member: string]: unknown;
}

/** This process's environment without anything that a program of ours or a cloud's library would read. */
export function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(AWS|GCE|GCP|GOOGLE|VAULTPLANE|KONG)_/.test(name)),
  );
}

/** Where a program runs. */
export interface Host {
  /** Its address for other hosts, and for its own services that are no applications' doors. */
  address: string;
  /** The command that runs a program there, in front of it; none for this host. */
  through: readonly string[];
}

export const THIS_HOST: Host = { address: '127.0.0.1', through: [] };

/** Programs of ours as processes on this machine, with one folder for all that they write. */
export class Deployment {
  readonly folder = mkdtempSync(join(tmpdir(), 'vaultplane-e2e-'));
  readonly #programs: Program[] = [];

  /** A control plane's address book and environment; start it with `startControlPlane`. */
  async planControlPlane(name: string, env: NodeJS.ProcessEnv = {}, host = THIS_HOST): Promise<ControlPlane> {
    const [admin, cluster, status] = await freePorts(3);
    return new ControlPlane(this, name, { admin: admin!, cluster: cluster!, status: status! }, env, host);
  }

  async planDataPlane(
    name: string,
    controlPlane: ControlPlane,
    env: NodeJS.ProcessEnv = {},
    host: Host = THIS_HOST,
  ): Promise<DataPlane> {
    const [api, status] = await freePorts(2);
    return new DataPlane(this, name, { api: api!, status: status! }, controlPlane, env, host);
  }

  async start(
    name: string,
    main: string,
    env: NodeJS.ProcessEnv,
    readyUrl: string,
    { through } = THIS_HOST,
  ): Promise<Program> {
    const logFile = join(this.folder, `${name}.log`);
    const program = await startProgram({
      name,
      main,
      args: ['start'],
      through,
      env,
      cwd: this.folder,
      logFile,
      readyUrl,
    });
    this.#programs.push(program);
    return program;
  }

  /** A file of upstream_policy, and the environment of a data plane that goes by it. */
  policy(grants: readonly GrantForm[], name = 'upstream-policy.json'): { VAULTPLANE_UPSTREAM_POLICY: string } {
    const path = join(this.folder, name);
    writeFileSync(path, JSON.stringify({ grants }), { mode: 0o600 });
    return { VAULTPLANE_UPSTREAM_POLICY: path };
  }

  /** Every file under the folder that holds one of the texts, but for those named in `except`. */
  filesWith(texts: readonly string[], except: readonly string[] = []): string[] {
    const needles = texts.map((text) => Buffer.from(text));
    return readdirSync(this.folder, { recursive: true, encoding: 'utf8' }).filter((file) => {
      const content = except.includes(file) ? undefined : contentOf(join(this.folder, file));
      return content !== undefined && needles.some((needle) => content.includes(needle));
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class ControlPlane {
  readonly dataDir: string;
  readonly adminUrl: string;
  readonly statusUrl: string;
  readonly clusterAddress: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #deployment: Deployment;
  readonly #name: string;

  constructor(
    deployment: Deployment,
    name: string,
    ports: { admin: number; cluster: number; status: number },
    env: NodeJS.ProcessEnv,
    host: Host,
  ) {
    this.#deployment = deployment;
    this.#name = name;
    this.dataDir = join(deployment.folder, name);
    this.adminUrl = `http://127.0.0.1:${ports.admin}`;
    this.statusUrl = `http://127.0.0.1:${ports.status}`;
    this.clusterAddress = `${host.address}:${ports.cluster}`;
    this.env = {
      ...cleanEnv(),
      VAULTPLANE_DATA_DIR: this.dataDir,
      VAULTPLANE_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
      VAULTPLANE_CLUSTER_LISTEN: this.clusterAddress,
      VAULTPLANE_STATUS_LISTEN: `127.0.0.1:${ports.status}`,
      ...env,
    };
  }

  get clusterCert(): string {
    return this.env.VAULTPLANE_CLUSTER_CERT ?? join(this.dataDir, 'cluster.crt');
  }

  get clusterCertKey(): string {
    return this.env.VAULTPLANE_CLUSTER_CERT_KEY ?? join(this.dataDir, 'cluster.key');
  }

  start(): Promise<Program> {
    return this.#deployment.start(this.#name, CONTROL_PLANE_MAIN, this.env, `${this.statusUrl}/status/ready`);
  }

  /** The seed's own way to make a vault: a PUT with a form. */
  async putVault(prefix: string, form: Record<string, string>): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.adminUrl}/vaults/${prefix}`, { method: 'PUT', body: new URLSearchParams(form) });
    const body = (await answer.json()) as Record<string, unknown>;
    if (answer.status !== 200) throw new Error(`PUT /vaults/${prefix}: ${answer.status} ${JSON.stringify(body)}`);
    return body;
  }

  async get(path: string): Promise<Record<string, unknown>> {
    return (await (await fetch(this.adminUrl + path)).json()) as Record<string, unknown>;
  }

  /** The public half of its export key, PEM, for config_export_public_key. */
  async exportKey(): Promise<string> {
    return ((await this.get('/clustering/export-key')) as { public_key: string }).public_key.trim();
  }

  /** The version of the configuration that this control plane has. */
  async version(): Promise<number> {
    return (await this.position()).version;
  }

  /** Where the configuration of this control plane is. */
  async position(): Promise<ConfigPosition> {
    return ((await this.get('/status')) as { vaultplane: { config: ConfigPosition } }).vaultplane.config;
  }
}

export class DataPlane {
  readonly dataDir: string;
  readonly apiUrl: string;
  readonly statusUrl: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #deployment: Deployment;
  readonly #name: string;
  readonly #host: Host;

  constructor(
    deployment: Deployment,
    name: string,
    ports: { api: number; status: number },
    controlPlane: ControlPlane,
    env: NodeJS.ProcessEnv,
    host: Host,
  ) {
    this.#deployment = deployment;
    this.#name = name;
    this.#host = host;
    this.dataDir = join(deployment.folder, name);
    this.apiUrl = `http://127.0.0.1:${ports.api}`;
    this.statusUrl = `http://${host.address}:${ports.status}`;
    this.env = {
      ...cleanEnv(),
      AWS_EC2_METADATA_DISABLED: 'true',
      VAULTPLANE_DATA_DIR: this.dataDir,
      VAULTPLANE_API_LISTEN: `127.0.0.1:${ports.api}`,
      VAULTPLANE_STATUS_LISTEN: `${host.address}:${ports.status}`,
      VAULTPLANE_CLUSTER_CONTROL_PLANE: controlPlane.clusterAddress,
      VAULTPLANE_CLUSTER_CERT: controlPlane.clusterCert,
      VAULTPLANE_CLUSTER_CERT_KEY: controlPlane.clusterCertKey,
      ...env,
    };
  }

  get token(): string {
    return readFileSync(join(this.dataDir, 'api-token'), 'utf8').trim();
  }

  /** Ready once it has a configuration, from wherever. */
  start(): Promise<Program> {
    return this.#deployment.start(this.#name, DATA_PLANE_MAIN, this.env, `${this.statusUrl}/status/ready`, this.#host);
  }

  /** Without waiting for a configuration. */
  startUnready(): Promise<Program> {
    return this.#deployment.start(this.#name, DATA_PLANE_MAIN, this.env, `${this.statusUrl}/status/live`);
  }

  async resolve(reference: string, options: { refresh?: boolean } = {}): Promise<Answer> {
    const url = new URL('/v1/resolve', this.apiUrl);
    url.searchParams.set('ref', reference);
    if (options.refresh) url.searchParams.set('refresh', 'true');
    const answer = await fetch(url, { headers: { authorization: `Bearer ${this.token}` } });
    return (await answer.json()) as Answer;
  }

  async status(): Promise<{
    config: { version: number | null; source: string | null; fallback_problem: string | null };
    control_plane: { connected: boolean; last_error: string | null };
  }> {
    return (await (await fetch(`${this.statusUrl}/status`)).json()) as never;
  }

  /** Waits until the status of this data plane is as wanted; it is another process, so it is asked. */
  async until(
    wanted: (status: Awaited<ReturnType<DataPlane['status']>>) => boolean | Promise<boolean>,
    withinMs = 20_000,
  ): Promise<void> {
    const end = performance.now() + withinMs;
    // A kept-alive connection that its end closes just now is no answer yet.
    const look = () => this.status().catch(() => undefined);
    let status = await look();
    while (!status || !(await wanted(status))) {
      if (performance.now() > end) throw new Error(`not so within ${withinMs} ms: ${JSON.stringify(status)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      status = await look();
    }
  }

  /** Waits until this data plane has what its control plane has. */
  async caughtUpWith(controlPlane: ControlPlane): Promise<void> {
    const version = await controlPlane.version();
    await this.until((status) => (status.config.version ?? -1) >= version);
  }

  /** Waits until its disk has what its control plane has: it writes a configuration five times a second at most. */
  async savedWhatIsOf(controlPlane: ControlPlane): Promise<void> {
    const version = await controlPlane.version();
    const path = join(this.dataDir, SNAPSHOT_FILE_NAME);
    await this.until(async () => ((await readSnapshotFile(path))?.snapshot.version ?? -1) >= version);
  }
}

/** Undefined for what is no file, or none any more: one that was renamed or removed just now. */
function contentOf(path: string): Buffer | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
