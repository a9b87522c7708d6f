import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Actor, insertAuditRequest, type WriteRequest } from './audit-log.ts';
import { positionOf } from './config-state.ts';
import type { Database, Queryable } from './database.ts';
import { jsonbOf } from './jsonb.ts';

/** An invitation without what is secret of it. */
export interface Invitation {
  id: string;
  /** Of the node that joins by it. */
  name: string | null;
  /** Of every node that joins by it. */
  labels: Record<string, string>;
  /** How many nodes may join; null: any number. */
  uses: number | null;
  used: number;
  created_by: string;
  created_at: Date;
  /** Null: never. */
  expires_at: Date | null;
  revoked_at: Date | null;
}

export interface NewInvitation {
  name: string | null;
  labels: Record<string, string>;
  uses: number | null;
  /** Seconds; null: for ever. */
  ttl: number | null;
}

/** Whether a node may join by an invitation now, by the database's clock. */
export type InvitationState = 'good' | 'used_up' | 'expired' | 'revoked';

/** An invitation that a token opens. */
export interface OpenedInvitation extends Invitation {
  state: InvitationState;
}

/** So long after their end invitations are still listed. */
const KEPT_AFTER_END_S = 30 * 86_400;

const COLUMNS = 'id, name, labels, uses, used, created_by, created_at, expires_at, revoked_at';
const STATE = `case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired'
  when used >= uses then 'used_up' else 'good' end as state`;

/** Invitations to join the cluster. Of a token only the hash of its secret part is kept, which is 256 random bits. */
export class Invitations {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** @returns the invitation and its secret, which is nowhere kept as it is */
  async create(
    { name, labels, uses, ttl }: NewInvitation,
    actor: Actor,
    request: WriteRequest,
  ): Promise<{ invitation: Invitation; secret: string }> {
    const id = randomBytes(8).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const invitation = await this.#database.transaction(async (transaction) => {
      const [row] = await transaction.query<Invitation>(
        `insert into invitations (id, secret_hash, name, labels, uses, created_by, expires_at)
         values ($1, $2, $3, $4::jsonb, $5, $6, now() + make_interval(secs => $7::double precision))
         returning ${COLUMNS}`,
        [id, hashOf(secret), name, jsonbOf(labels), uses, actor.name, ttl],
      );
      await this.#audit(transaction, actor, request);
      return row!;
    });
    return { invitation, secret };
  }

  /** Those that may be used and those that ended within the last 30 days, the oldest first. */
  async list(): Promise<Invitation[]> {
    return this.#database.query<Invitation>(
      `select ${COLUMNS} from invitations
       where coalesce(revoked_at, expires_at, 'infinity') > now() - make_interval(secs => ${KEPT_AFTER_END_S})
       order by created_at, id`,
    );
  }

  /** Nobody joins by it any more; nodes that have joined stay. @returns whether there was one that was not revoked yet */
  async revoke(id: string, actor: Actor, request: WriteRequest): Promise<boolean> {
    return this.#database.transaction(async (transaction) => {
      const revoked = await transaction.query(
        'update invitations set revoked_at = now() where id = $1 and revoked_at is null returning id',
        [id],
      );
      // A request that changes nothing is noted as a refused one.
      if (revoked.length > 0) await this.#audit(transaction, actor, request);
      return revoked.length > 0;
    });
  }

  /** The invitation that a token's two parts open; undefined where they open none. */
  async open(id: string, secret: string): Promise<OpenedInvitation | undefined> {
    const [row] = await this.#database.query<OpenedInvitation & { secret_hash: Uint8Array }>(
      `select ${COLUMNS}, secret_hash, ${STATE} from invitations where id = $1`,
      [id],
    );
    if (!row || !timingSafeEqual(Buffer.from(row.secret_hash), hashOf(secret))) return undefined;
    const { secret_hash: _, ...invitation } = row;
    return invitation;
  }

  /** Deletes those that ended long ago. */
  async prune(): Promise<void> {
    await this.#database.query(
      `delete from invitations
       where coalesce(revoked_at, expires_at, 'infinity') <= now() - make_interval(secs => ${KEPT_AFTER_END_S})`,
    );
  }

  async #audit(transaction: Queryable, actor: Actor, request: WriteRequest): Promise<void> {
    const { version } = await positionOf(transaction);
    await insertAuditRequest(transaction, this.#clock.now(), actor, request, version, version);
  }
}

/**
 * Counts one use in one statement, so that two control planes never let one more in than may.
 *
 * @returns whether there was one left
 */
export async function useInvitation(transaction: Queryable, id: string): Promise<boolean> {
  const used = await transaction.query(
    `update invitations set used = used + 1
     where id = $1 and revoked_at is null and (expires_at is null or expires_at > now()) and (uses is null or used < uses)
     returning id`,
    [id],
  );
  return used.length > 0;
}

/** Not slow on purpose: 256 random bits can't be guessed. */
function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
