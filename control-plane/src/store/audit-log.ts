import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log, LogLevel } from '@vaultplane/platform/logging/log.ts';
import type { WantedReadiness } from '@vaultplane/platform/net/drain-request.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Database, Queryable } from './database.ts';

/** What a caller may do: a reader reads, an editor also changes vaults, an admin also sees the audit log and makes tokens. */
export const ROLES = ['reader', 'editor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who does something. */
export interface Actor {
  /** Never secret: `token ID`, `admin_token` or `local`. */
  name: string;
  role: Role;
  /** Null for a command on this machine. */
  remoteAddress: string | null;
}

/** Who was refused: without a token that is known, there is no role. */
export type Caller = Omit<Actor, 'role'> & { role: Role | null };

/** What is done: an Admin API call, or a command. */
export interface WriteRequest {
  method: string;
  /** Without the query, which a mistaken user may have put a token into. */
  path: string;
  /** Of the answer; absent for a command. */
  status?: number;
  /** As in the answer's X-Kong-Admin-Request-ID and in the program's log; absent for a command. */
  requestId?: string;
  /** What it changed that is no configuration; never secret. */
  detail?: string;
}

export interface AuditRequest {
  id: number;
  at: Date;
  actor: string;
  role: Role | null;
  remote_address: string | null;
  method: string;
  path: string;
  status: number | null;
  request_id: string | null;
  detail: string | null;
  version_before: number;
  version_after: number;
}

/** What an entry of the audit log must be to be shown; every member that is given. */
export interface AuditFilter {
  actor?: string | undefined;
  method?: string | undefined;
  /** What the path begins with. */
  path?: string | undefined;
  status?: number | undefined;
  remoteAddress?: string | undefined;
  requestId?: string | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
  /** Those that made a version, of these two and between. */
  fromVersion?: number | undefined;
  toVersion?: number | undefined;
}

/** How often entries that are too old are looked for. */
const PRUNE_EVERY_MS = 3_600_000;
/** Entries deleted by one statement, so that none of them takes long. */
const PRUNED_AT_ONCE = 10_000;

const COLUMNS = `id, at, actor, role, remote_address, method, path, status, request_id, detail, version_before, version_after`;

/** A row as INSERT_AUDIT_REQUESTS takes it. */
export function auditRequestRow(
  at: number,
  { name, role, remoteAddress }: Caller,
  { method, path, status, requestId, detail }: WriteRequest,
  versionBefore: number,
  versionAfter: number,
): object {
  return {
    ...{ at: new Date(at), actor: name, role, remote_address: remoteAddress, method, path },
    ...{
      status: status ?? null,
      request_id: requestId ?? null,
      detail: detail ?? null,
      version_before: versionBefore,
      version_after: versionAfter,
    },
  };
}

const INSERTED = `at, actor, role, remote_address, method, path, status, request_id, detail, version_before, version_after`;
/** Rows by the names of their columns; what stands behind it is a list of them as jsonb. */
export const INSERT_AUDIT_REQUESTS = `insert into audit_requests (${INSERTED})
  select ${INSERTED} from jsonb_populate_recordset(null::audit_requests, `;

/** Part of the change's own transaction: there is no change without its audit row. */
export async function insertAuditRequest(
  transaction: Queryable,
  at: number,
  actor: Caller,
  request: WriteRequest,
  versionBefore: number,
  versionAfter: number,
): Promise<void> {
  const row = auditRequestRow(at, actor, request, versionBefore, versionAfter);
  await transaction.query(`${INSERT_AUDIT_REQUESTS} $1::jsonb)`, [JSON.stringify([row])]);
}

/**
 * Notes that the log level was changed, and by whom. It may be changed to look into why the database is away: then the
 * program's log alone says so.
 */
export async function noteLogLevel(
  { audit, log }: { audit: AuditLog; log: Log },
  actor: Actor,
  request: WriteRequest,
  before: LogLevel,
): Promise<void> {
  const detail = `log level ${before} -> ${log.level}`;
  // At the higher of the two levels it may not be seen, so it is a warning.
  log.warn({ actor: actor.name, from: before, to: log.level }, 'the log level is changed');
  await audit.note(actor, { ...request, detail }).catch((error) => {
    log.warn({ error: errorMessage(error) }, 'a change of the log level is not in the audit log');
  });
}

/** Notes that the program was taken out of its load balancer, or put back: by somebody on this machine, who needs no token. */
export async function noteReadiness(
  { audit, log }: { audit: AuditLog | undefined; log: Log },
  wanted: WantedReadiness,
  remoteAddress: string | null,
): Promise<void> {
  if (wanted === 'draining') log.warn({}, 'draining: not ready from now on, and serving as before');
  else log.info({}, 'no longer draining');
  const request: WriteRequest = { method: 'POST', path: '/status/ready', status: 204, detail: wanted };
  await audit?.note({ name: 'local', role: null, remoteAddress }, request).catch((error) => {
    log.warn({ error: errorMessage(error) }, 'a change of the readiness is not in the audit log');
  });
}

/** The audit log: every write, those that were refused too. */
export class AuditLog {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Notes a request that changed no configuration: one that was refused, or failed, or changed something else. */
  async note(caller: Caller, request: WriteRequest): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      const [state] = await transaction.query<{ version: number }>('select version from config_state');
      await insertAuditRequest(transaction, this.#clock.now(), caller, request, state!.version, state!.version);
    });
  }

  /** The newest first; those before the id `before`, if given. */
  async page(size: number, before?: number, filter: AuditFilter = {}): Promise<AuditRequest[]> {
    const parameters: unknown[] = [size];
    const conditions: string[] = [];
    const only = (value: unknown, condition: (parameter: string) => string) => {
      if (value !== undefined) conditions.push(condition(`$${parameters.push(value)}`));
    };
    only(before, (id) => `id < ${id}`);
    only(filter.actor, (actor) => `actor = ${actor}`);
    only(filter.method, (method) => `method = ${method}`);
    only(filter.path, (path) => `starts_with(path, ${path})`);
    only(filter.status, (status) => `status = ${status}`);
    only(filter.remoteAddress, (address) => `remote_address = ${address}`);
    only(filter.requestId, (id) => `request_id = ${id}`);
    only(filter.since, (at) => `at >= ${at}`);
    only(filter.until, (at) => `at < ${at}`);
    only(filter.fromVersion, (version) => `version_after > version_before and version_after >= ${version}`);
    only(filter.toVersion, (version) => `version_after > version_before and version_after <= ${version}`);
    const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : '';
    return this.#database.query(`select ${COLUMNS} from audit_requests ${where} order by id desc limit $1`, parameters);
  }

  /** Deletes what is older than `ttlSeconds`. @returns how many entries */
  async prune(ttlSeconds: number): Promise<number> {
    const before = new Date(this.#clock.now() - ttlSeconds * 1000);
    for (let pruned = 0; ; ) {
      const gone = await this.#database.query(
        `delete from audit_requests where id in (select id from audit_requests where at < $1 order by at limit $2)
         returning id`,
        [before, PRUNED_AT_ONCE],
      );
      pruned += gone.length;
      if (gone.length < PRUNED_AT_ONCE) return pruned;
    }
  }

  /** Prunes now and every hour; 0 seconds keep everything. @returns what ends it */
  keepFor(ttlSeconds: number, log: Log): () => Promise<void> {
    if (ttlSeconds === 0) return async () => {};
    let stopped = false;
    let cancel = () => {};
    let pruning: Promise<void> = Promise.resolve();
    const run = () => {
      pruning = this.prune(ttlSeconds).then(
        (pruned) => pruned > 0 && log.info({ pruned }, 'old entries of the audit log are deleted'),
        (error) => log.warn({ error: errorMessage(error) }, 'old entries of the audit log could not be deleted'),
      ) as Promise<void>;
      void pruning.then(() => {
        if (!stopped) cancel = this.#clock.after(PRUNE_EVERY_MS, run);
      });
    };
    run();
    return async () => {
      stopped = true;
      cancel();
      await pruning;
    };
  }
}
