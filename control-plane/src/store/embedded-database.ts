import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PGlite } from '@electric-sql/pglite';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { DataDirLock } from '@vaultplane/platform/files/data-dir-lock.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import pg from 'pg';
import type { Database, Queryable } from './database.ts';

/** Two processes on one embedded database would ruin it. */
const LOCK = 'db.lock';
/**
 * Of Postgres' pages in memory. PGlite's default is 160 MB, all of it touched at the start; a configuration is a few
 * megabytes, and the operating system keeps its files in memory anyway.
 */
const SHARED_BUFFERS = '16MB';
/** Beyond a number that fixed texts do not reach. */
const MOST_PREPARED_STATEMENTS = 100;

/**
 * Opens the Postgres that runs inside this process, over the files in `dataDir`/db; makes it where there is none.
 *
 * @param dataDir undefined: in memory, gone with the process
 * @throws DataDirInUse when another process has it open; StartError when its files can't be used
 */
export async function openEmbeddedDatabase(dataDir: string | undefined): Promise<Database> {
  if (dataDir === undefined) return new EmbeddedDatabase(await createPGlite(), async () => {});
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = await DataDirLock.take(dataDir, LOCK);
  const unlock = () => lock.release();
  try {
    const files = join(dataDir, 'db');
    if (!existsSync(files)) await makeFiles(files);
    return new EmbeddedDatabase(await createPGlite(files), unlock);
  } catch (error) {
    await unlock();
    throw new StartError(`the database in ${shownPath(join(dataDir, 'db'))} can't be opened: ${errorMessage(error)}`);
  }
}

/** PGlite is loaded only here: it takes memory, which a control plane with a Postgres of its own saves. */
async function createPGlite(dataDir?: string): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite');
  const startParams = [...PGlite.defaultStartParams, '-c', `shared_buffers=${SHARED_BUFFERS}`];
  return PGlite.create({ startParams, ...(dataDir !== undefined && { dataDir }) });
}

/** Beside its place and then renamed, so that a process which dies meanwhile leaves no half database there. */
async function makeFiles(files: string): Promise<void> {
  const beside = `${files}.new`;
  await rm(beside, { recursive: true, force: true });
  await (await createPGlite(beside)).close();
  await rename(beside, files);
}

class EmbeddedDatabase implements Database {
  readonly kind = 'embedded';
  readonly #pglite: PGlite;
  readonly #unlock: () => Promise<void>;
  readonly #statements = new PreparedStatements();

  constructor(pglite: PGlite, unlock: () => Promise<void>) {
    this.#pglite = pglite;
    this.#unlock = unlock;
  }

  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.#statements.run<Row>(this.#pglite, sql, parameters);
  }

  async script(sql: string): Promise<void> {
    await this.#pglite.exec(sql);
  }

  async transaction<T>(
    work: (transaction: Queryable, rows: ReadonlyArray<Record<string, unknown>>) => Promise<T>,
    { first }: { first?: string } = {},
  ): Promise<T> {
    return this.#pglite.transaction(async (transaction) => {
      const query = <Row>(sql: string, parameters: readonly unknown[] = []) =>
        this.#statements.run<Row>(transaction, sql, parameters);
      return work({ query }, first === undefined ? [] : (await transaction.exec(first))[0]!.rows);
    });
  }

  async listen(channel: string, heard: (message: string) => void): Promise<() => Promise<void>> {
    return this.#pglite.listen(channel, heard);
  }

  async close(): Promise<void> {
    if (!this.#pglite.closed) await this.#pglite.close();
    await this.#unlock();
  }
}

/**
 * Has statements that come again parsed and planned once. PGlite itself does both at each call, and takes six messages for
 * it; EXECUTE is one.
 */
class PreparedStatements {
  /** By text: its name; undefined where it has come once only. */
  readonly #names = new Map<string, string | undefined>();
  #made = 0;

  async run<Row>(session: Pick<PGlite, 'query' | 'exec'>, sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    const literals = parameters.map(literalOf);
    if (literals.length === 0 || literals.includes(undefined) || !this.#isKnown(sql)) {
      return (await session.query<Row>(sql, [...parameters])).rows;
    }
    let name = this.#names.get(sql);
    if (name === undefined) {
      // Of two that come here at once each prepares its own: the names of one are never waited for by another.
      name = `vaultplane_${this.#made++}`;
      await session.exec(`prepare ${name} as ${sql}`);
      this.#names.set(sql, name);
    }
    const [result] = await session.exec(`execute ${name}(${literals.join(', ')})`);
    return result!.rows as Row[];
  }

  #isKnown(sql: string): boolean {
    if (this.#names.has(sql)) return true;
    if (this.#names.size < MOST_PREPARED_STATEMENTS) this.#names.set(sql, undefined);
    return false;
  }
}

/** Undefined where it is better left to PGlite, which knows the types that parameters have. */
function literalOf(parameter: unknown): string | undefined {
  if (parameter === null) return 'null';
  if (typeof parameter === 'number') return `'${parameter}'`;
  if (typeof parameter !== 'string' || parameter.includes('\0')) return undefined;
  // Letter by letter only where there is something to escape.
  return /['\\]/.test(parameter) ? pg.escapeLiteral(parameter) : `'${parameter}'`;
}
