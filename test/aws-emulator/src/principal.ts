import { parsePolicy, type Statement } from './policy.ts';
import { SpecError } from './spec-error.ts';

export const DEFAULT_ACCOUNT = '123456789012';

/** A user with keys of its own. */
export type Principal = {
  name: string;
  account: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** For keys that came with a session token from elsewhere; null for long-lived ones. */
  sessionToken: string | null;
  /** Milliseconds since 1970; null: never. */
  expiresAt: number | null;
  policy: Statement[];
};

export type Role = {
  arn: string;
  account: string;
  name: string;
  trust: Trust;
  policy: Statement[];
  /** Longest session that may be asked for, seconds: IAM's MaxSessionDuration. */
  maxSession: number;
  /** The emulator's own: sessions live this many seconds whatever was asked for, so that tests can see them expire. */
  sessionSeconds: number | null;
};

export type Trust = {
  /** User and role ARNs (patterns), account ids, account roots, or `*`. */
  principals: string[];
  /** AssumeRole must bring it when it is set. */
  externalId: string | null;
  webIdentity: WebIdentityTrust[];
};

/** Which web identity tokens a role takes: one by its text, or JWTs by their claims. All that is set must agree. */
export type WebIdentityTrust = {
  token?: string;
  issuer?: string;
  /** Pattern over the `sub` claim. */
  subject?: string;
  audience?: string;
  /** PEM (RSA or P-256) that the JWT must be signed with; without it only the claims are looked at. */
  publicKey?: string;
};

export type PrincipalSpec = {
  name: string;
  account?: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiresAt?: number;
  policy: Statement[];
};

export type RoleSpec = {
  /** Either the name, for a role of `account`, or the whole ARN. */
  name?: string;
  arn?: string;
  account?: string;
  trust?: { principals?: string[]; externalId?: string; webIdentity?: WebIdentityTrust[] };
  policy: Statement[];
  /** Seconds; 3600 when absent. */
  maxSession?: number;
  sessionSeconds?: number;
};

/** Checks what came from a seed file or over HTTP as strictly as what came from TypeScript; throws SpecError. */
export function parsePrincipal(json: unknown): Principal {
  const spec = members(json, 'a principal', [
    'name',
    'account',
    'accessKeyId',
    'secretAccessKey',
    'sessionToken',
    'expiresAt',
    'policy',
  ]);
  return {
    name: text(spec, 'name'),
    account: accountOf(spec),
    accessKeyId: text(spec, 'accessKeyId'),
    secretAccessKey: text(spec, 'secretAccessKey'),
    sessionToken: spec.sessionToken === undefined ? null : text(spec, 'sessionToken'),
    expiresAt: spec.expiresAt === undefined ? null : positive(spec, 'expiresAt'),
    policy: parsePolicy(spec.policy),
  };
}

export function parseRole(json: unknown): Role {
  const spec = members(json, 'a role', ['name', 'arn', 'account', 'trust', 'policy', 'maxSession', 'sessionSeconds']);
  const arn = spec.arn === undefined ? `arn:aws:iam::${accountOf(spec)}:role/${text(spec, 'name')}` : text(spec, 'arn');
  const parts = /^arn:aws[a-z-]*:iam::(\d{12}):role\/(?:.+\/)?([\w+=,.@-]+)$/.exec(arn);
  if (parts === null) throw new SpecError(`a role's ARN looks like arn:aws:iam::123456789012:role/NAME, not ${arn}`);
  return {
    arn,
    account: parts[1]!,
    name: parts[2]!,
    trust: parseTrust(spec.trust ?? {}),
    policy: parsePolicy(spec.policy),
    maxSession: spec.maxSession === undefined ? 3600 : positive(spec, 'maxSession'),
    sessionSeconds: spec.sessionSeconds === undefined ? null : positive(spec, 'sessionSeconds'),
  };
}

function parseTrust(json: unknown): Trust {
  const spec = members(json, "a role's trust", ['principals', 'externalId', 'webIdentity']);
  const { principals = [], webIdentity = [] } = spec;
  if (!Array.isArray(principals) || !principals.every((item) => typeof item === 'string')) {
    throw new SpecError("a trust's principals is a list of strings");
  }
  if (!Array.isArray(webIdentity)) throw new SpecError("a trust's webIdentity is a list");
  return {
    principals,
    externalId: spec.externalId === undefined ? null : text(spec, 'externalId'),
    webIdentity: webIdentity.map(parseWebIdentity),
  };
}

function parseWebIdentity(json: unknown): WebIdentityTrust {
  const names = ['token', 'issuer', 'subject', 'audience', 'publicKey'];
  const spec = members(json, 'a web identity trust', names);
  for (const name of Object.keys(spec)) text(spec, name);
  if (spec.token === undefined && spec.issuer === undefined) {
    throw new SpecError('a web identity trust names a token or an issuer');
  }
  return spec as WebIdentityTrust;
}

/** The object's members, none of them unknown: a misspelt one would otherwise be passed over in silence. */
export function members(json: unknown, what: string, known: string[]): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new SpecError(`${what} is an object`);
  const unknown = Object.keys(json).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new SpecError(`${what} has no member ${unknown.join(', ')}; it has ${known.join(', ')}`);
  return json as Record<string, unknown>;
}

function text(spec: Record<string, unknown>, name: string): string {
  const value = spec[name];
  if (typeof value !== 'string' || value === '') throw new SpecError(`${name} must be a string that is not empty`);
  return value;
}

function positive(spec: Record<string, unknown>, name: string): number {
  const value = spec[name];
  if (typeof value !== 'number' || !(value > 0)) throw new SpecError(`${name} must be a number above zero`);
  return value;
}

function accountOf(spec: Record<string, unknown>): string {
  const account = spec.account ?? DEFAULT_ACCOUNT;
  if (typeof account !== 'string' || !/^\d{12}$/.test(account)) throw new SpecError('an account is 12 digits');
  return account;
}
