import { members } from '@vaultplane/aws-emulator/principal.ts';
import { SpecError } from '@vaultplane/aws-emulator/spec-error.ts';

/** What the roles of Secret Manager allow. Source: its page on access control. */
const ROLES = {
  secretAccessor: ['versions.access'],
  viewer: ['secrets.get', 'secrets.list', 'secrets.getIamPolicy', 'versions.get', 'versions.list'],
  secretVersionAdder: ['versions.add'],
  admin: ['*'],
} as const satisfies Record<string, readonly string[]>;

/** A role in a project, of all its secrets or of those whose ids match one of the patterns (`*`, `?`). */
export type Grant = { role: string; project: string; secrets: string[] };

/** A service account, or a person who has logged in. */
export type Principal = { email: string; project: string; grants: Grant[] };
export type PrincipalSpec = {
  email: string;
  project?: string;
  /** `{role, secrets?, project?}`; a role as `secretAccessor` or `roles/secretmanager.secretAccessor`. */
  grants?: Array<{ role: string; secrets?: string[]; project?: string }>;
};

/** Whether a role has a permission such as `versions.access`. */
export function allows(role: string, permission: string): boolean {
  const permissions: readonly string[] = ROLES[role.replace(/^roles\/secretmanager\./, '') as keyof typeof ROLES] ?? [];
  return permissions.includes('*') || permissions.includes(permission);
}

/** Throws SpecError, so that a typing error can't silently widen what is granted. */
export function parsePrincipal(json: unknown, defaultProject: string): Principal {
  const spec = members(json, 'a principal', ['email', 'project', 'grants']);
  const { email, project = defaultProject, grants = [] } = spec;
  if (typeof email !== 'string' || !/^[^@\s]+@[^@\s]+$/.test(email)) throw new SpecError('email of a principal is one');
  if (typeof project !== 'string') throw new SpecError('project of a principal is a string');
  if (!Array.isArray(grants)) throw new SpecError('grants of a principal is a list');
  return { email, project, grants: grants.map((grant) => parseGrant(grant, project)) };
}

function parseGrant(json: unknown, defaultProject: string): Grant {
  const { role, secrets = ['*'], project = defaultProject } = members(json, 'a grant', ['role', 'secrets', 'project']);
  if (typeof role !== 'string' || !knownRole(role)) {
    throw new SpecError(`role of a grant is one of ${Object.keys(ROLES).join(', ')}`);
  }
  if (typeof project !== 'string') throw new SpecError('project of a grant is a string');
  if (!Array.isArray(secrets) || !secrets.every((secret) => typeof secret === 'string')) {
    throw new SpecError('secrets of a grant is a list of patterns');
  }
  return { role, project, secrets };
}

export const knownRole = (role: string): boolean => Object.hasOwn(ROLES, role.replace(/^roles\/secretmanager\./, ''));
