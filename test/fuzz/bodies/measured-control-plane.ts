import { connect } from 'node:net';
import { join } from 'node:path';
import { type PostgresServer, startPostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import type { Program } from '@vaultplane/local/program.ts';
import { type ControlPlane, Deployment } from '../../e2e/deployment.ts';

export type DatabaseKind = 'embedded' | 'postgres';

export const ADMIN_TOKEN = 'the-admin-token-of-the-bodies-that-are-tried';
/** How long the event loop may stand still, in ms of CPU time, on a machine as fast as the one below. */
export const MAX_BLOCKED_MS = 250;
/** What the probe's piece of work takes on two cores of 2024 with nothing else to do. */
const UNIT_MS = 4;
const ANSWER_WITHIN_MS = 120_000;

/** One request of the Admin API. */
export interface BodyRequest {
  method: string;
  path: string;
  type: string;
  /** The type of the answer that is asked for. */
  accept?: string;
  body: string;
}

/** What became of a request. */
export interface Measured {
  /** Undefined where the connection ended before the answer, as it may where a body is not read. */
  status: number | undefined;
  blockedMs: number;
  /** What is allowed on this machine as it is now. */
  allowedMs: number;
}

/** A control plane as a process of its own, which tells how long a request holds up its event loop. */
export class MeasuredControlPlane {
  readonly controlPlane: ControlPlane;
  readonly program: Program;
  readonly database: DatabaseKind;
  readonly #deployment: Deployment;
  readonly #probe: string;
  readonly #postgres: PostgresServer | undefined;

  private constructor(
    deployment: Deployment,
    probe: string,
    postgres: PostgresServer | undefined,
    database: DatabaseKind,
    controlPlane: ControlPlane,
    program: Program,
  ) {
    this.#deployment = deployment;
    this.#probe = probe;
    this.#postgres = postgres;
    this.database = database;
    this.controlPlane = controlPlane;
    this.program = program;
  }

  /**
   * @param database `embedded` runs in the thread that is measured: each of its statements counts
   * @param prepare gets the data_dir before the start
   */
  static async start(
    database: DatabaseKind,
    prepare: (dataDir: string) => Promise<void> = async () => {},
  ): Promise<MeasuredControlPlane> {
    const postgres = database === 'postgres' ? await startPostgresServer() : undefined;
    const deployment = new Deployment();
    const probe = join(deployment.folder, 'probe.sock');
    const controlPlane = await deployment.planControlPlane('cp', {
      VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN,
      VAULTPLANE_LOG_LEVEL: 'error',
      NODE_OPTIONS: `--import=${new URL('./probe.ts', import.meta.url).href}`,
      EVENT_LOOP_PROBE: probe,
      ...(postgres && {
        VAULTPLANE_DATABASE: 'postgres',
        VAULTPLANE_PG_HOST: postgres.host,
        VAULTPLANE_PG_PORT: String(postgres.port),
        VAULTPLANE_PG_USER: postgres.user,
        VAULTPLANE_PG_DATABASE: postgres.database,
      }),
    });
    await prepare(controlPlane.dataDir);
    return new MeasuredControlPlane(deployment, probe, postgres, database, controlPlane, await controlPlane.start());
  }

  /** Every route of the API that there is, as its OpenAPI document has it, with something in place of its parameters. */
  async routes(): Promise<Array<Pick<BodyRequest, 'method' | 'path'>>> {
    const answer = await fetch(`${this.controlPlane.adminUrl}/openapi.json`, { headers: HEADERS });
    const { paths } = (await answer.json()) as { paths: Record<string, object> };
    return Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations)
        .filter((method) => method !== 'parameters')
        .map((method) => ({
          method: method.toUpperCase(),
          path: path
            .replace('{level}', 'error')
            .replace('{version}', '1')
            .replaceAll(/\{\w+\}/g, 'a-vault'),
        })),
    );
  }

  /** Sends a request and waits for its whole answer. @throws Error where none comes, or the program has ended */
  async send({ method, path, type, accept, body }: BodyRequest): Promise<Measured> {
    await this.#look();
    const status = await fetch(this.controlPlane.adminUrl + path, {
      method,
      headers: { ...HEADERS, 'content-type': type, ...(accept && { accept }) },
      ...(method !== 'GET' && { body }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    }).then(
      async (answer) => {
        await (path === '/clustering/events' ? answer.body?.cancel() : answer.arrayBuffer());
        return answer.status;
      },
      (error: Error) => {
        if (error.name === 'TimeoutError' || !this.program.running) throw error;
        return undefined;
      },
    );
    const { blockedMs, unitMs } = await this.#look();
    return { status, blockedMs, allowedMs: MAX_BLOCKED_MS * Math.max(1, unitMs / UNIT_MS) };
  }

  /** Nothing is left of what it had, and of its files. */
  async stop(): Promise<void> {
    await this.#deployment.stop();
    await this.#postgres?.stop();
  }

  /** What the probe has seen since the last look. */
  #look(): Promise<{ blockedMs: number; unitMs: number }> {
    return new Promise((resolve, reject) => {
      let text = '';
      connect(this.#probe)
        .on('data', (chunk) => {
          text += chunk;
        })
        .on('end', () => resolve(JSON.parse(text)))
        .on('error', reject);
    });
  }
}

const HEADERS = { 'kong-admin-token': ADMIN_TOKEN };
