import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type PostgresServer, startPostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import type { Program } from '@vaultplane/local/program.ts';
import pg from 'pg';
import { CONTROL_PLANE_MAIN, type ControlPlane, cleanEnv, type DataPlane, Deployment } from '../e2e/deployment.ts';

export const CANARY = 's.canary-credential-51c7';
export const PREFIX = 'hcv-vault';
export const REFERENCE = `{vault://${PREFIX}/db/password}`;

/** A server that speaks as much of HashiCorp Vault's API as a lookup needs, and keeps every token that it is shown. */
export class VaultServer {
  readonly tokens: string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<VaultServer> {
    const server = createServer((request, response) => {
      const token = request.headers['x-vault-token'];
      if (token !== undefined) started.tokens.push(String(token));
      const data = request.url?.startsWith('/v1/secret/')
        ? { password: `of ${started.port}` }
        : { ttl: 0, renewable: false, policies: [] };
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ request_id: '1', data }));
    }).listen(0, '127.0.0.1');
    const started = new VaultServer(server);
    await once(server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export interface AdminAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an answer is judged member by member
  json: any;
}

/**
 * A control plane on a real Postgres, a data plane, the vault server that a credential was given for (`good`) and one of
 * an attacker's (`evil`).
 */
export class CredentialStage {
  readonly deployment = new Deployment();
  readonly keyring = join(this.deployment.folder, 'keyring');
  readonly good: VaultServer;
  readonly evil: VaultServer;
  controlPlane!: ControlPlane;
  dataPlane!: DataPlane;
  #postgres: PostgresServer | undefined;
  #database = '';
  #control: Program | undefined;

  private constructor(good: VaultServer, evil: VaultServer) {
    this.good = good;
    this.evil = evil;
  }

  static async begin(): Promise<CredentialStage> {
    const stage = new CredentialStage(await VaultServer.start(), await VaultServer.start());
    writeFileSync(stage.keyring, randomBytes(32).toString('base64'), { mode: 0o600 });
    // Its proof of being a control plane must not go with the keyring, which is what some attacks take away.
    const exportKey = join(stage.deployment.folder, 'export.key');
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(exportKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const out = join(stage.deployment.folder, 'certs');
    execFileSync(process.execPath, [CONTROL_PLANE_MAIN, 'certs', 'create', '--out', out], {
      env: cleanEnv(),
      stdio: 'pipe',
    });
    const postgres = await startPostgresServer();
    stage.#postgres = postgres;
    stage.#database = await postgres.createDatabase();
    stage.controlPlane = await stage.deployment.planControlPlane('cp', {
      VAULTPLANE_CONFIG_EXPORT_KEY_FILE: exportKey,
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: postgres.host,
      VAULTPLANE_PG_PORT: String(postgres.port),
      VAULTPLANE_PG_USER: postgres.user,
      VAULTPLANE_PG_DATABASE: stage.#database,
      VAULTPLANE_CLUSTER_CERT: join(out, 'cluster.crt'),
      VAULTPLANE_CLUSTER_CERT_KEY: join(out, 'cluster.key'),
      VAULTPLANE_KEYRING_KEY_FILE: stage.keyring,
    });
    stage.dataPlane = await stage.deployment.planDataPlane('dp', stage.controlPlane);
    return stage;
  }

  async startControlPlane(): Promise<Program> {
    this.#control = await this.controlPlane.start();
    return this.#control;
  }

  async restartControlPlane(): Promise<Program> {
    await this.#control?.stop();
    return this.startControlPlane();
  }

  async stop(): Promise<void> {
    await this.deployment.stop();
    await this.#postgres?.stop();
    this.good.stop();
    this.evil.stop();
  }

  async call(method: string, path: string, body?: unknown): Promise<AdminAnswer> {
    const answer = await fetch(this.controlPlane.adminUrl + path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) };
  }

  /** The vault at the good server, with a literal token. */
  configOf(server: VaultServer, more: Record<string, unknown> = {}): Record<string, unknown> {
    return { protocol: 'http', host: '127.0.0.1', port: server.port, token: CANARY, ...more };
  }

  async putVault(config = this.configOf(this.good), prefix = PREFIX): Promise<Record<string, unknown>> {
    const { status, json } = await this.call('PUT', `/vaults/${prefix}`, { name: 'hcv', config });
    if (status !== 200) throw new Error(`PUT /vaults/${prefix}: ${status} ${JSON.stringify(json)}`);
    return json;
  }

  /** Has the data plane ask the vault, whatever it is configured to be now. */
  async lookUp(reference = REFERENCE) {
    // By the hash: who writes to the database need not count versions.
    await this.dataPlane.until(async ({ config, control_plane: { connected } }) => {
      const wanted = await this.controlPlane.position();
      return connected && (config as { hash?: string }).hash === wanted.hash;
    }, 60_000);
    return this.dataPlane.resolve(reference, { refresh: true });
  }

  /** Whether the credential has reached the attacker's server. */
  get leaked(): boolean {
    return this.evil.tokens.some((token) => token.includes('canary'));
  }

  /** What somebody with the database's password does. */
  async writeDatabase<Row extends object = Record<string, unknown>>(
    sql: string,
    parameters: readonly unknown[] = [],
  ): Promise<Row[]> {
    const { host, port, user } = this.#postgres!;
    const client = new pg.Client({ host, port, user, password: 'any', database: this.#database });
    await client.connect();
    try {
      return (await client.query<Row>(sql, [...parameters])).rows;
    } finally {
      await client.end();
    }
  }
}
