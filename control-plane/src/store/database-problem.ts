import { StartError } from '@vaultplane/platform/errors.ts';
import { DatabaseUnavailable, sqlState } from './database.ts';

/** By SQLSTATE, what to do about it. Source: Postgres, appendix A. */
const REMEDIES: ReadonlyArray<readonly [state: RegExp, remedy: string]> = [
  [
    /^42501$/,
    'grant it to the role of pg_user: CREATE on the schema (GRANT CREATE ON SCHEMA public TO …; since Postgres 15 not ' +
      "everybody has it), and all rights on vaultplane's tables; or run `vaultplane-cp migrate` as their owner",
  ],
  [/^3F000$/, 'make the schema that the search_path of the role of pg_user names, such as public'],
  [/^42(?:P07|710)$/, 'another program has a table of that name there: give vaultplane a database of its own'],
  [/^(?:42P01|42703)$/, 'its tables are not what vaultplane has made: restore a backup, or give it an empty database'],
  [/^25006$/, 'it takes no writes: let pg_host lead to the primary'],
  [/^53100$/, "the server's disk is full"],
];

/**
 * The error of a start, or of a command, in which the database refuses what is needed; undefined for any other error.
 *
 * @param error of the driver, whose message says what is refused
 */
export function databaseProblem(error: unknown): StartError | undefined {
  const state = sqlState(error);
  if (error instanceof StartError || error instanceof DatabaseUnavailable || state === undefined) return undefined;
  const remedy = REMEDIES.find(([form]) => form.test(state))?.[1];
  const text = `the database refuses what the control plane needs: ${(error as Error).message} (SQLSTATE ${state})`;
  return new StartError(remedy === undefined ? text : `${text}; ${remedy}`, { cause: error });
}

/** @throws StartError where the database refuses; otherwise the error itself */
export function refuseDatabase(error: unknown): never {
  throw databaseProblem(error) ?? error;
}
