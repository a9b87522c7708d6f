import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { command, eventually, type Outcome, tryCommand } from './command.ts';
import { type Engine, onPath } from './engine.ts';

const COMPOSE_FILE = fileURLToPath(new URL('../../deploy/compose.yaml', import.meta.url));

/** What a data plane says of itself; see its /status. */
export interface DataPlaneStatus {
  ready: boolean;
  config: { version: number | null; source: string | null };
  control_plane: { connected: boolean };
  references: Record<string, number>;
}

/** deploy/compose.yaml on an engine, as a project of its own. */
export class Composition {
  readonly #engine: Engine;
  readonly #project: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(engine: Engine, project: string, env: NodeJS.ProcessEnv) {
    this.#engine = engine;
    this.#project = project;
    this.#env = { ...engine.env, ...env };
  }

  compose(...args: string[]): Promise<string> {
    const all = ['--project-name', this.#project, '--file', COMPOSE_FILE, '--ansi', 'never', ...args];
    const options = { env: this.#env, withinMs: 5 * 60_000 };
    return onPath('docker-compose')
      ? command('docker-compose', all, options)
      : command('docker', ['compose', ...all], options);
  }

  docker(...args: string[]): Promise<string> {
    return this.#engine.docker(...args);
  }

  get network(): string {
    return `${this.#project}_default`;
  }

  /** The containers of a service by name, in the order of their numbers. */
  async containers(service: string): Promise<string[]> {
    const names = await this.docker(
      ...['ps', '--all', '--format', '{{.Names}}'],
      ...['--filter', `label=com.docker.compose.project=${this.#project}`],
      ...['--filter', `label=com.docker.compose.service=${service}`],
    );
    return names
      .trim()
      .split('\n')
      .filter(Boolean)
      .sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  }

  async container(service: string): Promise<string> {
    const [name] = await this.containers(service);
    if (name === undefined) throw new Error(`${service} has no container`);
    return name;
  }

  /** Every container that runs a data plane. */
  async dataPlanes(): Promise<string[]> {
    const lists = await Promise.all([1, 2, 3].map((number) => this.containers(`data-plane-${number}`)));
    return lists.flat();
  }

  async logs(service: string): Promise<string> {
    const { stdout, stderr } = await tryCommand('docker', ['logs', await this.container(service)], { env: this.#env });
    return stdout + stderr;
  }

  tryInside(container: string, ...args: string[]): Promise<Outcome> {
    return tryCommand('docker', ['exec', container, ...args], { env: this.#env, withinMs: 60_000 });
  }

  /** Runs a program in a container. @throws when it fails */
  inside(container: string, ...args: string[]): Promise<string> {
    return command('docker', ['exec', container, ...args], { env: this.#env, withinMs: 60_000 });
  }

  async status(container: string): Promise<DataPlaneStatus> {
    return JSON.parse(await this.inside(container, 'vaultplane-dp', 'status', '--json')) as DataPlaneStatus;
  }

  get(container: string, reference: string): Promise<string> {
    return this.inside(container, 'vaultplane-dp', 'get', reference);
  }

  /** A call of the Admin API of one control plane, from inside its container. */
  async admin<T = Record<string, unknown>>(
    container: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: T }> {
    const call = `
      const token = /^admin_token = (.*)$/m.exec(require('fs').readFileSync('/etc/vaultplane/vaultplane.conf', 'utf8'))[1];
      const [method, path, body] = process.argv.slice(1);
      fetch('http://127.0.0.1:8001' + path, {
        method,
        headers: { 'kong-admin-token': token, ...(body && { 'content-type': 'application/json' }) },
        body,
        signal: AbortSignal.timeout(20_000),
      }).then(async (answer) => console.log(JSON.stringify({ status: answer.status, body: JSON.parse(await answer.text() || 'null') })));`;
    const text = await this.inside(
      container,
      ...['node', '-e', call, method, path, ...(body === undefined ? [] : [JSON.stringify(body)])],
    );
    return JSON.parse(text) as { status: number; body: T };
  }

  /** The version of the configuration that a control plane has. */
  async version(controlPlane: string): Promise<number> {
    type Status = { vaultplane: { config: { version: number } } };
    const { body } = await this.admin<Status>(controlPlane, 'GET', '/status');
    return body.vaultplane.config.version;
  }

  /** Makes or replaces a vault, and gives the version that has it. */
  async putVault(controlPlane: string, prefix: string, config: Record<string, unknown>, name = 'aws'): Promise<number> {
    const { status, body } = await this.admin(controlPlane, 'PUT', `/vaults/${prefix}`, { name, config });
    if (status !== 200) throw new Error(`PUT /vaults/${prefix}: ${status} ${JSON.stringify(body)}`);
    return this.version(controlPlane);
  }

  /** Waits until all of these data planes are linked and work with this version or a later one. */
  async caughtUp(version: number, containers?: string[]): Promise<void> {
    await Promise.all(
      (containers ?? (await this.dataPlanes())).map((container) =>
        eventually(`${container} is linked and has version ${version}`, async () => {
          const { config, control_plane } = await this.status(container);
          if (control_plane.connected && (config.version ?? -1) >= version) return true;
          throw new Error(`it has ${JSON.stringify({ config, control_plane })}`);
        }),
      ),
    );
  }

  /** Waits until the health check of a container says so. */
  async healthy(container: string): Promise<void> {
    await eventually(
      `${container} is healthy`,
      async () =>
        (await this.docker('inspect', '--format', '{{.State.Health.Status}}', container)).trim() === 'healthy',
    );
  }

  async disconnect(container: string): Promise<void> {
    await this.docker('network', 'disconnect', this.network, container);
  }

  /** Gives a container its network back, with the names that it has in it. */
  async connect(container: string, ...names: string[]): Promise<void> {
    await this.docker('network', 'connect', ...names.flatMap((name) => ['--alias', name]), this.network, container);
  }

  /** Asks a data plane for a reference over and over, from inside its container, until it is told to stop. */
  traffic(container: string, reference: string): Traffic {
    return new Traffic(container, reference, this.#env);
  }
}

export interface TrafficResult {
  answered: number;
  /** At most the first twenty failures. */
  failures: string[];
  failed: number;
  /** What was answered, each once. */
  values: string[];
}

/** An application's lookups, one after the other, a hundredth of a second apart. */
export class Traffic {
  readonly #child;
  readonly #result: Promise<TrafficResult>;

  constructor(container: string, reference: string, env: NodeJS.ProcessEnv) {
    const script = `
      const { readFileSync } = require('fs');
      const token = ['data/dp/api-token', 'run/api-token'].map((name) => '/vaultplane/' + name)
        .map((path) => { try { return readFileSync(path, 'utf8').trim(); } catch {} }).find(Boolean);
      const url = 'http://127.0.0.1:2773/v1/resolve?ref=' + encodeURIComponent(process.argv[1]);
      const result = { answered: 0, failed: 0, failures: [], values: [] };
      let stopping = false;
      process.stdin.on('end', () => { stopping = true; }).resume();
      (async () => {
        while (!stopping) {
          try {
            const answer = await fetch(url, { headers: { authorization: 'Bearer ' + token }, signal: AbortSignal.timeout(5000) });
            const body = await answer.json();
            if (!answer.ok) throw new Error(answer.status + ' ' + JSON.stringify(body));
            result.answered++;
            if (!result.values.includes(body.value)) result.values.push(body.value);
          } catch (error) {
            result.failed++;
            if (result.failures.length < 20) result.failures.push(new Date().toISOString() + ' ' + (error.cause?.message ?? error.message));
          }
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        console.log(JSON.stringify(result));
      })();`;
    this.#child = spawn('docker', ['exec', '--interactive', container, 'node', '-e', script, reference], {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    this.#child.stdout.on('data', (bytes) => {
      stdout += bytes;
    });
    this.#child.stderr.on('data', (bytes) => {
      stderr += bytes;
    });
    this.#result = new Promise((resolve, reject) => {
      this.#child.once('close', (code) => {
        if (code === 0) resolve(JSON.parse(stdout) as TrafficResult);
        else reject(new Error(`the traffic in ${container} ended with ${code}: ${stderr}`));
      });
    });
    this.#result.catch(() => {});
  }

  stop(): Promise<TrafficResult> {
    this.#child.stdin.end();
    return this.#result;
  }
}
