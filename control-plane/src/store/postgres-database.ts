import type { Socket } from 'node:net';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { readPemSetting } from '@vaultplane/platform/settings/pem-setting.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import pg from 'pg';
import type { ControlPlaneSettings } from '../settings.ts';
import { type Database, DatabaseReadOnly, DatabaseUnavailable, type Queryable, sqlState } from './database.ts';

const INT8 = 20;
const CONNECT_TIMEOUT_MS = 5000;
/** A statement, and the wait for another writer in it, is given up by the server after this. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** And by us after this, since a server may be gone without a word. */
const QUERY_TIMEOUT_MS = 12_000;
/** A transaction of a control plane that is gone without a word holds up the others for no longer than this. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;
/** A connection that nobody used for so long is closed. */
const IDLE_TIMEOUT_MS = 30_000;
const SLOW_QUERY_TIMEOUT_MS = 3_600_000;
/** How often the connection for notifications is asked whether it is still there: nothing else is sent by it. */
export const HEARTBEAT_MS = 10_000;
const HEARTBEAT_TIMEOUT_MS = 5000;
const LONGEST_RECONNECT_PAUSE_MS = 5000;
/** How often a server that takes no writes is asked whether it does. */
const LOOK_AGAIN_MS = 1000;
const READ_ONLY_STATE = '25006';
const READ_ONLY =
  'the database takes no writes (SQLSTATE 25006): it is a standby, or default_transaction_read_only is on; pg_host must lead to the primary';
const IS_READ_ONLY = "select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as off";
const MOST_NAMED_STATEMENTS = 100;

export type PostgresSettings = Pick<
  ControlPlaneSettings,
  'pg_host' | 'pg_port' | 'pg_user' | 'pg_password' | 'pg_database' | 'pg_ssl' | 'pg_ssl_verify' | 'pg_ssl_ca'
>;

/**
 * Connects to a Postgres server.
 *
 * @param applicationName what the server's own views say of who is connected
 * @throws DatabaseUnavailable when it can't be reached; StartError when it refuses us
 */
export async function openPostgresDatabase(
  settings: PostgresSettings,
  log: Log,
  clock: Clock,
  applicationName = 'vaultplane-cp',
): Promise<Database> {
  const database = new PostgresDatabase(connectionOf(settings, applicationName), log, clock);
  try {
    await database.query('select 1');
    return database;
  } catch (error) {
    await database.close();
    const { pg_host: host, pg_port: port, pg_database: name, pg_user: user } = settings;
    const where = `Postgres at ${shownName(host)}:${port}, database ${shownName(name)}, user ${shownName(user)}`;
    // The server's own words repeat names.
    const said = [host, name, user].reduce((text, word) => text.replaceAll(word, shownName(word)), errorMessage(error));
    if (error instanceof DatabaseUnavailable) throw new DatabaseUnavailable(`${where}: ${said}`);
    throw new StartError(
      `${where}: ${said}; check pg_host, pg_database, pg_user, pg_password${settings.pg_ssl ? ', pg_ssl and pg_ssl_ca' : ''}`,
    );
  }
}

function connectionOf(settings: PostgresSettings, applicationName: string): pg.PoolConfig {
  let ssl: pg.PoolConfig['ssl'] = false;
  if (settings.pg_ssl) {
    ssl = { rejectUnauthorized: settings.pg_ssl_verify };
    if (settings.pg_ssl_ca !== undefined) ssl.ca = readPemSetting('pg_ssl_ca', settings.pg_ssl_ca);
  }
  return {
    host: settings.pg_host,
    port: settings.pg_port,
    user: settings.pg_user,
    // Without a password pg would look for PGPASSWORD and ~/.pgpass: settings come from one place only.
    password: settings.pg_password ?? '',
    database: settings.pg_database,
    ssl,
    application_name: applicationName,
    max: 10,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format?: 'text') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  };
}

class PostgresDatabase implements Database {
  readonly kind = 'postgres';
  #pool: pg.Pool;
  readonly #connection: pg.PoolConfig;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #ears = new Map<string, Set<(message: string) => void>>();
  readonly #statements = new StatementNames();
  #listener: pg.Client | undefined;
  #reconnect: (() => void) | undefined;
  #cancelHeartbeat: () => void = () => {};
  #cancelLook: () => void = () => {};
  #isReadOnly = false;
  #pauseMs = 100;
  #closed = false;

  constructor(connection: pg.PoolConfig, log: Log, clock: Clock) {
    this.#connection = connection;
    this.#log = log;
    this.#clock = clock;
    this.#pool = this.#newPool();
  }

  #newPool(): pg.Pool {
    const pool = new pg.Pool(this.#connection);
    // A connection that breaks while nobody uses it: the pool has dropped it, and the next query opens another.
    pool.on('error', (error) => this.#log.warn({ error: error.message }, 'a database connection was lost'));
    return pool;
  }

  readOnlyProblem(): string | null {
    return this.#isReadOnly ? READ_ONLY : null;
  }

  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#pool.query(this.#statement(sql, parameters)).catch((error) => this.#failed(error))).rows;
  }

  async script(sql: string): Promise<void> {
    await this.#pool.query(sql).catch((error) => this.#failed(error));
  }

  /** @throws what the error means */
  #failed(error: unknown): never {
    if (sqlState(error) === READ_ONLY_STATE) this.#foundReadOnly();
    return translate(error);
  }

  /**
   * A server that takes no writes is none that the control plane can stay at: after a failover its name leads to another,
   * while sessions with the old one would stay. So all are given up, and new ones asked until they may write.
   */
  #foundReadOnly(): void {
    if (this.#isReadOnly || this.#closed) return;
    this.#isReadOnly = true;
    this.#log.warn({}, READ_ONLY);
    this.#giveUpSessions();
    this.#lookAgainLater();
  }

  #giveUpSessions(): void {
    const old = this.#pool;
    this.#pool = this.#newPool();
    old.end().catch(() => {});
    // Its end has it connected anew.
    this.#listener?.end().catch(() => {});
  }

  #lookAgainLater(): void {
    this.#cancelLook = this.#clock.after(LOOK_AGAIN_MS, () => {
      this.#pool.query<{ off: boolean }>(IS_READ_ONLY).then(
        ({ rows }) => {
          if (rows[0]!.off) {
            this.#giveUpSessions();
            return this.#lookAgainLater();
          }
          this.#isReadOnly = false;
          this.#log.info({}, 'the database takes writes again');
        },
        () => this.#closed || this.#lookAgainLater(),
      );
    });
  }

  async transaction<T>(
    work: (transaction: Queryable, rows: ReadonlyArray<Record<string, unknown>>) => Promise<T>,
    { slow = false, first }: { slow?: boolean; first?: string } = {},
  ): Promise<T> {
    const client = await this.#pool.connect().catch(translate);
    const broken = (error: Error) => this.#log.warn({ error: error.message }, 'a database connection was lost');
    client.on('error', broken);
    let failure: unknown;
    try {
      // One way to the server and back for both: each statement sees what is committed when it begins.
      const begun = await client.query(first === undefined ? 'begin' : `begin; ${first}`);
      const rows = first === undefined ? [] : (begun as unknown as pg.QueryResult[])[1]!.rows;
      if (slow) await client.query('set local statement_timeout = 0');
      const patience = slow ? { query_timeout: SLOW_QUERY_TIMEOUT_MS } : {};
      const query = async <Row>(sql: string, parameters: readonly unknown[] = []) =>
        (await client.query({ ...this.#statement(sql, parameters), ...patience })).rows as Row[];
      const result = await work({ query }, rows);
      await client.query('commit');
      return result;
    } catch (error) {
      // Whatever state it is in, the connection is not used again unless it could roll back.
      failure = await client.query('rollback').then(
        () => undefined,
        () => error,
      );
      return this.#failed(error);
    } finally {
      client.off('error', broken);
      client.release(failure !== undefined);
    }
  }

  async listen(channel: string, heard: (message: string) => void): Promise<() => Promise<void>> {
    const ears = this.#ears.get(channel) ?? new Set();
    this.#ears.set(channel, ears.add(heard));
    if (this.#listener) await this.#listener.query(`listen ${channel}`);
    else if (!this.#reconnect) await this.#connectListener();
    return async () => {
      ears.delete(heard);
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#reconnect?.();
    this.#cancelHeartbeat();
    this.#cancelLook();
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.end().catch(() => {});
    await this.#pool.end().catch(() => {});
  }

  #statement(text: string, values: readonly unknown[]): pg.QueryConfig {
    const name = this.#statements.nameOf(text, values);
    return { text, values: [...values], ...(name !== undefined && { name }) };
  }

  async #connectListener(): Promise<void> {
    const client = new pg.Client(this.#connection);
    const lost = (error?: Error) => {
      if (this.#listener !== client) return;
      this.#listener = undefined;
      this.#cancelHeartbeat();
      this.#log.warn({ error: error?.message }, 'the database connection for notifications was lost');
      client.end().catch(() => {});
      this.#reconnectLater();
    };
    client.on('error', lost);
    client.on('end', () => lost());
    client.on('notification', ({ channel, payload }) => this.#tell(channel, payload));
    await client.connect().catch(translate);
    if (this.#closed) return void (await client.end().catch(() => {}));
    try {
      for (const channel of this.#ears.keys()) await client.query(`listen ${channel}`);
    } catch (error) {
      // Not on a standby: LISTEN is a write there.
      await client.end().catch(() => {});
      return this.#failed(error);
    }
    if (this.#closed) return void (await client.end().catch(() => {}));
    this.#listener = client;
    this.#pauseMs = 100;
    this.#beat(client, lost);
  }

  /** A connection may be cut with neither side noticing, by a firewall that forgot it, and then nothing is heard for ever. */
  #beat(client: pg.Client, lost: (error: Error) => void): void {
    if (this.#listener !== client) return;
    this.#cancelHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      client.query({ text: IS_READ_ONLY, query_timeout: HEARTBEAT_TIMEOUT_MS } as pg.QueryConfig).then(
        ({ rows }) => {
          if (rows[0].off) this.#foundReadOnly();
          this.#beat(client, lost);
        },
        (error) => {
          lost(error);
          // Its goodbye would go nowhere.
          (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
        },
      );
    });
  }

  #reconnectLater(): void {
    if (this.#closed) return;
    const pause = this.#pauseMs * (0.5 + Math.random() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_RECONNECT_PAUSE_MS);
    this.#reconnect = this.#clock.after(pause, () => {
      this.#reconnect = undefined;
      this.#connectListener().then(
        () => {
          for (const channel of this.#ears.keys()) this.#tell(channel);
        },
        () => this.#reconnectLater(),
      );
    });
  }

  #tell(channel: string, message = ''): void {
    for (const heard of this.#ears.get(channel) ?? []) heard(message);
  }
}

/**
 * SQLSTATE classes of a server that is not there for us now: connection lost, no room, shutting down, starting up,
 * waited in vain, only a replica.
 */
const UNAVAILABLE = /^(08|53|57P|57014|55P03|25P03)/;

function translate(error: unknown): never {
  const state = sqlState(error);
  if (state === READ_ONLY_STATE) throw new DatabaseReadOnly(READ_ONLY, { cause: error });
  if (state === undefined ? isConnectionError(error) : UNAVAILABLE.test(state)) {
    throw new DatabaseUnavailable(errorMessage(error) || (error as NodeJS.ErrnoException).code, { cause: error });
  }
  throw error;
}

function isConnectionError(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return (
    /^E(CONN|NOTFOUND|AI_AGAIN|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOENT|ACCES)/.test(code ?? '') ||
    /^(Connection terminated|timeout e|Query read timeout|Client (was closed|has encountered a connection error))/i.test(
      message ?? '',
    )
  );
}

/** Names for statements, so that each connection has the server parse and plan one once. */
class StatementNames {
  readonly #names = new Map<string, string>();

  /** Undefined for one without parameters, which costs little, and beyond a number that fixed texts do not reach. */
  nameOf(text: string, values: readonly unknown[]): string | undefined {
    if (values.length === 0) return undefined;
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= MOST_NAMED_STATEMENTS) return known;
    const name = `vaultplane_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}
