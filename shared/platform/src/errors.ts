import { systemErrorMessage } from './text/shown-text.ts';

/** A command that was called wrongly: exit status 2 (specification.md §1). */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A program that cannot start or finish, for a reason its user can mend: one line on stderr, exit status 1. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** What an error says; of the system's errors without the paths and names in them that may be secrets in a wrong place. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return systemErrorMessage(error) ?? error.message;
}
