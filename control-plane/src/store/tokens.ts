import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { RateLimit } from '@vaultplane/platform/rate-limit.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Actor, insertAuditRequest, type Role, type WriteRequest } from './audit-log.ts';
import { type Database, DatabaseUnavailable, type Queryable } from './database.ts';
import { JoinedReads } from './joined-reads.ts';

const derive = promisify(scrypt) as (secret: string, salt: Buffer, length: number) => Promise<Buffer>;
const HASH_BYTES = 32;
/** vpt_, the token's id, its secret part: 256 random bits. */
const TOKEN = /^vpt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
/** How long the digests of all tokens are known without being read again. */
const DIGESTS_FOR_MS = 1000;
/** Verified tokens that are remembered, so that not every call pays for scrypt. */
const MOST_REMEMBERED = 1000;

interface TokenRow {
  id: string;
  role: Role;
  salt: Uint8Array;
  hash: Uint8Array;
  /** Null where it was made by a release that kept none, and has not been used since. */
  digest: Uint8Array | null;
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
  /** Of all tokens, by id, as they were read at a moment of the monotonic clock. */
  #digests: { at: number; byId: Promise<Map<string, Uint8Array | null>> } | undefined;
  /** Tokens without a digest that are tried by the slow hash, whoever sends them. */
  readonly #slowTries: RateLimit;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#slowTries = new RateLimit({ clock, atOnce: 5, everyMs: 1000 });
    // Into an embedded database nobody else can write.
    const remember = database.kind === 'embedded' ? MOST_REMEMBERED : 0;
    this.#rows = new JoinedReads(async (id) => {
      const [row] = await database.query<TokenRow>('select id, role, salt, hash, digest from tokens where id = $1', [
        id,
      ]);
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
        'insert into tokens (id, role, name, salt, hash, digest, created_at) values ($1, $2, $3, $4, $5, $6, $7)',
        [id, role, name, salt, hash, digest(secret), new Date(at)],
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
      this.#digests = undefined;
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

  /**
   * Whether this is, or very likely is, a token that there is: cheap enough to be asked for any number of wrong ones, which
   * together cost one look at the database a second. A token that another control plane made within the last second is not
   * known yet. While the database is away, those that were verified before are known.
   */
  async knows(token: string): Promise<boolean> {
    if (this.#verified.has(keyOf(token))) return true;
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return false;
    const known = (await this.#readDigests()).get(id);
    if (known === undefined) return false;
    return known === null ? this.#slowTries.take() === 0 : timingSafeEqual(known, digest(secret));
  }

  /** Of no token, where the database is away. */
  #readDigests(): Promise<Map<string, Uint8Array | null>> {
    const now = this.#clock.monotonic();
    if (!this.#digests || now - this.#digests.at >= DIGESTS_FOR_MS) {
      const byId = this.#database
        .query<Pick<TokenRow, 'id' | 'digest'>>('select id, digest from tokens')
        .then((rows) => new Map(rows.map((row) => [row.id, row.digest])))
        .catch((error) => {
          if (error instanceof DatabaseUnavailable) return new Map<string, Uint8Array | null>();
          throw error;
        });
      this.#digests = { at: now, byId };
    }
    return this.#digests.byId;
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
    const key = keyOf(token);
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
    const hash = Buffer.from(row.hash);
    if (!remembered || !timingSafeEqual(remembered.hash, hash)) {
      if (!(await this.#isSecretOf(row, secret))) return undefined;
      if (this.#verified.size >= MOST_REMEMBERED) this.#verified.clear();
      this.#verified.set(key, { id: row.id, role: row.role, hash });
    }
    return { id: row.id, role: row.role };
  }

  /** By its digest or, where there is none yet, by the slow hash, and then there is one. */
  async #isSecretOf({ id, salt, hash, digest: kept }: TokenRow, secret: string): Promise<boolean> {
    if (kept !== null) return timingSafeEqual(kept, digest(secret));
    if (!timingSafeEqual(await derive(secret, Buffer.from(salt), HASH_BYTES), hash)) return false;
    await this.#database.query('update tokens set digest = $2 where id = $1', [id, digest(secret)]);
    this.#rows.changed();
    this.#digests = undefined;
    return true;
  }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** What a token is remembered by. */
function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
