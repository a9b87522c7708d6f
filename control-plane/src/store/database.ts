/** Runs statements; rows have int8 as numbers, timestamps as Date, json parsed. */
export interface Queryable {
  query<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

/** A Postgres database, whichever program runs it: all SQL of the control plane is written for both. */
export interface Database extends Queryable {
  readonly kind: 'embedded' | 'postgres';
  /** Runs several statements without parameters. */
  script(sql: string): Promise<void>;
  /**
   * Runs `work` in one transaction, committed when it is done and rolled back when it throws. Inside, only the
   * transaction given may be used: PGlite has one connection, and waits for ever for a second.
   *
   * @param slow whether its statements may take as long as they like, as a migration's
   * @param first a statement without parameters that it begins with; `work` gets its rows
   */
  transaction<T>(
    work: (transaction: Queryable, rows: ReadonlyArray<Record<string, unknown>>) => Promise<T>,
    options?: { slow?: boolean; first?: string },
  ): Promise<T>;
  /**
   * Calls `heard` with each NOTIFY's message on the channel. After a lost connection it is called once more, with '', since
   * what was sent meanwhile is lost: a listener looks up what there is to know, and takes it from no message.
   */
  listen(channel: string, heard: (message: string) => void): Promise<() => Promise<void>>;
  /** Why it takes no writes although it answers; null where it takes them. */
  readOnlyProblem?(): string | null;
  close(): Promise<void>;
}

/** The database can't be reached, or is not yet or no longer up: the same call may succeed a little later. */
export class DatabaseUnavailable extends Error {
  override readonly name: string = 'DatabaseUnavailable';
}

/** The database answers, and takes no writes, as a standby or one that has just failed over. */
export class DatabaseReadOnly extends DatabaseUnavailable {}

/** SQLSTATE of an error of either database; undefined where it has none. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
