import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '@vaultplane/shared/clock.ts';
import { type Actor, insertAuditRequest, type Role, type WriteRequest } from './audit-log.ts';
import { type Database, DatabaseUnavailable, type Queryable } from './database.ts';
import { JoinedReads } from './joined-reads.ts';

const derive = promisify(scrypt) as (secret: string, salt: Buffer, length: number) => Promise<Buffer>;
const HASH_BYTES = 32;
/** vpt_, the token's id, its secret part: 256 random bits. */
const TOKEN = /^vpt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
/** Verified tokens that are remembered, so that not every call pays for scrypt. */
const MOST_REMEMBERED = 1000;

interface TokenRow {
  id: string;
  role: Role;
  salt: Uint8Array;
  hash: Uint8Array;
}

export interface TokenInfo {
  id: string;
  role: Role;
  name: string | null;
  created_at: Date;
}

/** A text with the secret part of every token in it, of an invitation too, left out; some tell a token where they are asked for its id. */
export function withoutTokens(text: string): string {
  return text.replaceAll(/(vp[jt])_([0-9a-f]{16})_[A-Za-z0-9_-]+/g, '$1_$2_…');
}

/** The tokens of the Admin API, hashed. */
export class Tokens {
  readonly #database: Database;
  readonly #clock: Clock;
  /** By the SHA-256 of a token that was verified: what its row was then. */
  readonly #verified = new Map<string, { id: string; role: Role; hash: Buffer }>();
  /** Whether there was any when the database was last asked. */
  #any: boolean | undefined;
  /** Requests that come at the same time are one look at the database together, each after it has come. */
  readonly #rows: JoinedReads<TokenRow | undefined>;
  readonly #existing: JoinedReads<boolean>;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    // Into an embedded database nobody else can write.
    const remember = database.kind === 'embedded' ? MOST_REMEMBERED : 0;
    this.#rows = new JoinedReads(async (id) => {
      const [row] = await database.query<TokenRow>('select id, role, salt, hash from tokens where id = $1', [id]);
      return row;
    }, remember);
    this.#existing = new JoinedReads(async () => {
      const [row] = await database.query<{ any: boolean }>('select exists (select from tokens) as any');
      return row!.any;
    }, remember);
  }

  /** @returns the token, which is nowhere kept as it is: this is the one time that it can be shown */
  async create(
    role: Role,
    name: string | null,
    actor: Actor,
    request: WriteRequest,
  ): Promise<TokenInfo & { token: string }> {
    const id = randomBytes(8).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const salt = randomBytes(16);
    const hash = await derive(secret, salt, HASH_BYTES);
    const at = this.#clock.now();
    await this.#change(async (transaction) => {
      const [state] = await transaction.query<{ version: number }>('select version from config_state');
      await transaction.query(
        'insert into tokens (id, role, name, salt, hash, created_at) values ($1, $2, $3, $4, $5, $6)',
        [id, role, name, salt, hash, new Date(at)],
      );
      await insertAuditRequest(transaction, at, actor, request, state!.version, state!.version);
    });
    return { id, role, name, created_at: new Date(at), token: `vpt_${id}_${secret}` };
  }

  async list(): Promise<TokenInfo[]> {
    return this.#database.query('select id, role, name, created_at from tokens order by created_at, id');
  }

  /** @returns whether there was one */
  async delete(id: string, actor: Actor, request: WriteRequest): Promise<boolean> {
    return this.#change(async (transaction) => {
      const [state] = await transaction.query<{ version: number }>('select version from config_state');
      const gone = await transaction.query('delete from tokens where id = $1 returning id', [id]);
      await insertAuditRequest(transaction, this.#clock.now(), actor, request, state!.version, state!.version);
      return gone.length > 0;
    });
  }

  async #change<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    try {
      return await this.#database.transaction(work);
    } finally {
      for (const reads of [this.#rows, this.#existing]) reads.changed();
    }
  }

  /** Whether there is any token. While the database is away: whether there was. */
  async any(): Promise<boolean> {
    try {
      this.#any = await this.#existing.read('any');
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || this.#any === undefined) throw error;
    }
    return this.#any;
  }

  /** Whether this token was verified before, and so costs no more than a look at the database. */
  remembers(token: string): boolean {
    return this.#verified.has(digest(token));
  }

  /**
   * Whose token this is; undefined where it is nobody's. Its row is read every time, unless nobody else can have changed
   * it: a deleted token is refused at once.
   * Only while the database is away, so that nobody can delete one, a token that was verified before is taken as it was.
   *
   * @throws DatabaseUnavailable
   */
  async verify(token: string): Promise<{ id: string; role: Role } | undefined> {
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const key = digest(token);
    const remembered = this.#verified.get(key);
    let row: TokenRow | undefined;
    try {
      row = await this.#rows.read(id);
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || !remembered) throw error;
      return { id: remembered.id, role: remembered.role };
    }
    if (!row) {
      this.#verified.delete(key);
      return undefined;
    }
    if (!remembered || !timingSafeEqual(remembered.hash, row.hash)) {
      const hash = await derive(secret, Buffer.from(row.salt), HASH_BYTES);
      if (!timingSafeEqual(hash, row.hash)) return undefined;
      if (this.#verified.size >= MOST_REMEMBERED) this.#verified.clear();
      this.#verified.set(key, { id: row.id, role: row.role, hash });
    }
    return { id: row.id, role: row.role };
  }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
