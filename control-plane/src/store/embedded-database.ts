import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { errorMessage, StartError } from '@vaultplane/shared/errors.ts';
import { lockDataDir } from './data-dir-lock.ts';
import type { Database, Queryable } from './database.ts';

/**
 * Opens the Postgres that runs inside this process, over the files in `dataDir`/db; makes it where there is none.
 *
 * @param dataDir undefined: in memory, gone with the process
 * @throws DataDirInUse when another process has it open; StartError when its files can't be used
 */
export async function openEmbeddedDatabase(dataDir: string | undefined): Promise<Database> {
  if (dataDir === undefined) return new EmbeddedDatabase(await PGlite.create(), async () => {});
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const unlock = await lockDataDir(dataDir);
  try {
    const files = join(dataDir, 'db');
    if (!existsSync(files)) await makeFiles(files);
    return new EmbeddedDatabase(await PGlite.create({ dataDir: files }), unlock);
  } catch (error) {
    await unlock();
    throw new StartError(`the database in ${join(dataDir, 'db')} can't be opened: ${errorMessage(error)}`);
  }
}

/** Beside its place and then renamed, so that a process which dies meanwhile leaves no half database there. */
async function makeFiles(files: string): Promise<void> {
  const beside = `${files}.new`;
  await rm(beside, { recursive: true, force: true });
  await (await PGlite.create({ dataDir: beside })).close();
  await rename(beside, files);
}

class EmbeddedDatabase implements Database {
  readonly kind = 'embedded';
  readonly #pglite: PGlite;
  readonly #unlock: () => Promise<void>;

  constructor(pglite: PGlite, unlock: () => Promise<void>) {
    this.#pglite = pglite;
    this.#unlock = unlock;
  }

  async query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#pglite.query<Row>(sql, [...parameters])).rows;
  }

  async script(sql: string): Promise<void> {
    await this.#pglite.exec(sql);
  }

  async transaction<T>(
    work: (transaction: Queryable, rows: ReadonlyArray<Record<string, unknown>>) => Promise<T>,
    { first }: { first?: string } = {},
  ): Promise<T> {
    return this.#pglite.transaction(async (transaction) => {
      const query = async <Row>(sql: string, parameters: readonly unknown[] = []) =>
        (await transaction.query<Row>(sql, [...parameters])).rows;
      return work({ query }, first === undefined ? [] : (await transaction.exec(first))[0]!.rows);
    });
  }

  async listen(channel: string, heard: () => void): Promise<() => Promise<void>> {
    return this.#pglite.listen(channel, () => heard());
  }

  async close(): Promise<void> {
    if (!this.#pglite.closed) await this.#pglite.close();
    await this.#unlock();
  }
}
