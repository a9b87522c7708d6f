import type { Database } from '../store/database.ts';

export type DatabaseOperation = 'query' | 'script' | 'transaction';

/** The same database, telling how long each operation took, in seconds, and whether it failed. */
export function observedDatabase(
  database: Database,
  observe: (operation: DatabaseOperation, failed: boolean, seconds: number) => void,
): Database {
  const timed = async <T>(operation: DatabaseOperation, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now();
    let failed = true;
    try {
      const result = await work();
      failed = false;
      return result;
    } finally {
      observe(operation, failed, (performance.now() - begun) / 1000);
    }
  };
  return {
    kind: database.kind,
    query: (sql, parameters) => timed('query', () => database.query(sql, parameters)),
    script: (sql) => timed('script', () => database.script(sql)),
    transaction: (work, options) => timed('transaction', () => database.transaction(work, options)),
    listen: (channel, heard) => database.listen(channel, heard),
    readOnlyProblem: () => database.readOnlyProblem?.() ?? null,
    close: () => database.close(),
  };
}
