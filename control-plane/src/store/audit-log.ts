import type { Queryable } from './database.ts';

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

/** What is done: an Admin API call, or a command. */
export interface WriteRequest {
  method: string;
  /** Without the query, which a mistaken user may have put a token into. */
  path: string;
}

export interface AuditRequest {
  id: number;
  at: Date;
  actor: string;
  role: Role;
  remote_address: string | null;
  method: string;
  path: string;
  version_before: number;
  version_after: number;
}

/** Part of the change's own transaction: there is no change without its audit row. */
export async function insertAuditRequest(
  transaction: Queryable,
  at: number,
  actor: Actor,
  request: WriteRequest,
  versionBefore: number,
  versionAfter: number,
): Promise<void> {
  await transaction.query(
    `insert into audit_requests (at, actor, role, remote_address, method, path, version_before, version_after)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      ...[new Date(at), actor.name, actor.role, actor.remoteAddress],
      ...[request.method, request.path, versionBefore, versionAfter],
    ],
  );
}

/** The newest first; those before the id `before`, if given. */
export async function auditRequests(database: Queryable, size: number, before?: number): Promise<AuditRequest[]> {
  return database.query(
    `select id, at, actor, role, remote_address, method, path, version_before, version_after from audit_requests
     where $2::bigint is null or id < $2 order by id desc limit $1`,
    [size, before ?? null],
  );
}
