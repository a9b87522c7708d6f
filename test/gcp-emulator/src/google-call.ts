import type { LoggedCall } from '@vaultplane/aws-emulator/call-log.ts';
import { readMatch } from '@vaultplane/aws-emulator/order-book.ts';
import { matchesPattern } from '@vaultplane/aws-emulator/policy.ts';

const SERVICES = ['secretmanager', 'oauth', 'metadata'] as const;
export type GoogleService = (typeof SERVICES)[number];

/** One request that reached the emulator. No values and no tokens are in it. */
export type GoogleCall = LoggedCall & {
  service: GoogleService;
  /** As the request named it: id or number. */
  project: string | null;
  secret: string | null;
  version: string | null;
  /** Whose token it was; null until that is proven. */
  email: string | null;
  host: string | null;
  path: string;
};

/** All that is given must agree; strings are patterns (`*`, `?`). */
export type GoogleCallMatch = {
  service?: GoogleService;
  operation?: string;
  project?: string;
  secret?: string;
  version?: string;
  email?: string;
};

const MATCH_MEMBERS = ['service', 'operation', 'project', 'secret', 'version', 'email'] as const;

export function matchesGoogleCall(match: GoogleCallMatch, call: GoogleCall): boolean {
  return MATCH_MEMBERS.every((name) => {
    const pattern = match[name];
    return pattern === undefined || (call[name] !== null && matchesPattern(pattern, call[name]));
  });
}

export const parseGoogleMatch = (json: unknown): GoogleCallMatch => readMatch(json, [...MATCH_MEMBERS], SERVICES);
