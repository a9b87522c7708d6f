import { AwsError } from './aws-error.ts';
import { assumedRoleArn, type Caller, type Credential, type Iam, roleId } from './iam.ts';
import { decide, matchesPattern, parsePolicy, type Statement } from './policy.ts';
import type { Role } from './principal.ts';
import { SpecError } from './spec-error.ts';
import { acceptWebIdentity } from './web-identity.ts';
import type { XmlTree } from './xml.ts';

export const STS_NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

/** Seconds. */
const SHORTEST_SESSION = 900;
const DEFAULT_SESSION = 3600;
const LONGEST_CHAINED_SESSION = 3600;

/** AWS Security Token Service: `carryOut` takes the parameters of the query protocol and gives the result's XML tree. */
export class Sts {
  readonly #iam: Iam;
  readonly #clock: () => number;

  constructor(iam: Iam, clock: () => number) {
    this.#iam = iam;
    this.#clock = clock;
  }

  /** `caller` is null for an unsigned call, which only AssumeRoleWithWebIdentity may be. Throws AwsError. */
  carryOut(operation: string, parameters: URLSearchParams, caller: Caller | null, region: string): XmlTree {
    switch (operation) {
      case 'GetCallerIdentity':
        // Needs no permission at AWS, not even against an explicit deny.
        return { Arn: caller!.arn, UserId: caller!.userId, Account: caller!.account };
      case 'AssumeRole':
        return this.#assumeRole(parameters, caller!, region);
      case 'AssumeRoleWithWebIdentity':
        return this.#assumeRoleWithWebIdentity(parameters);
      default:
        throw new AwsError(
          'InvalidAction',
          `The emulator has of STS only GetCallerIdentity, AssumeRole and AssumeRoleWithWebIdentity, not ${operation}`,
        );
    }
  }

  #assumeRole(parameters: URLSearchParams, caller: Caller, region: string): XmlTree {
    const { arn, session } = sessionRequest(parameters);
    const role = this.#iam.role(arn);
    const allowed = role !== null && this.#mayAssume(caller, role, parameters.get('ExternalId'), region);
    if (!allowed) {
      throw new AwsError(
        'AccessDenied',
        `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
        403,
      );
    }
    const seconds = durationOf(parameters, role);
    if (caller.roleArn !== null && seconds > LONGEST_CHAINED_SESSION) {
      throw new AwsError(
        'ValidationError',
        'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
      );
    }
    const credential = this.#iam.issue(role, session, seconds, sessionPolicyOf(parameters));
    return { AssumedRoleUser: assumedRoleUser(role, session), Credentials: credentialsTree(credential) };
  }

  #assumeRoleWithWebIdentity(parameters: URLSearchParams): XmlTree {
    const { arn, session } = sessionRequest(parameters);
    const token = parameters.get('WebIdentityToken') ?? '';
    if (token.length < 4) throw invalid('webIdentityToken', 'Member must have length greater than or equal to 4');
    const role = this.#iam.role(arn);
    if (!role) throw new AwsError('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', 403);
    const identity = acceptWebIdentity(role, token, this.#clock());
    const credential = this.#iam.issue(role, session, durationOf(parameters, role), sessionPolicyOf(parameters));
    return {
      AssumedRoleUser: assumedRoleUser(role, session),
      Credentials: credentialsTree(credential),
      SubjectFromWebIdentityToken: identity.subject,
      Provider: identity.issuer,
      Audience: identity.audience,
    };
  }

  /**
   * IAM's evaluation: a trust policy that names the caller is enough within the account; one that names an account,
   * or everyone, or a caller of another account, needs the caller's own policy to allow it too.
   */
  #mayAssume(caller: Caller, role: Role, externalId: string | null, region: string): boolean {
    if (role.trust.externalId !== null && role.trust.externalId !== externalId) return false;
    const resource = { name: role.name, arn: role.arn };
    const own = this.#iam.refusal(caller, 'sts:AssumeRole', resource, region);
    if (own?.startsWith('with an explicit deny')) return false;
    const names = [caller.arn, ...(caller.roleArn === null ? [] : [caller.roleArn])];
    const named = role.trust.principals.some(
      (pattern) => pattern !== '*' && names.some((name) => matchesPattern(pattern, name)),
    );
    const account = [caller.account, `arn:aws:iam::${caller.account}:root`, '*'];
    const byAccount = role.trust.principals.some((pattern) => account.includes(pattern));
    if (named && caller.account === role.account) {
      // A session policy still cuts down what the session may do, its own role's trust notwithstanding.
      const { owner } = caller.credential;
      return (
        owner.kind === 'user' ||
        owner.policy === null ||
        decide(owner.policy, 'sts:AssumeRole', resource, region) === 'allow'
      );
    }
    return (named || byAccount) && own === null;
  }
}

function sessionRequest(parameters: URLSearchParams): { arn: string; session: string } {
  const arn = parameters.get('RoleArn') ?? '';
  const session = parameters.get('RoleSessionName') ?? '';
  if (arn.length < 20) throw invalid('roleArn', 'Member must have length greater than or equal to 20');
  if (!/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/.test(arn)) {
    throw new AwsError('ValidationError', `${arn} is invalid`);
  }
  if (!/^[\w+=,.@-]{2,64}$/.test(session)) {
    throw invalid('roleSessionName', 'Member must satisfy regular expression pattern: [\\w+=,.@-]*');
  }
  return { arn, session };
}

function durationOf(parameters: URLSearchParams, role: Role): number {
  const asked = parameters.get('DurationSeconds');
  // The default counts as asked for nothing: a role with a shorter limit then gives what it may.
  if (asked === null) return Math.min(DEFAULT_SESSION, role.maxSession);
  const seconds = Number(asked);
  if (!Number.isInteger(seconds) || seconds < SHORTEST_SESSION) {
    throw invalid('durationSeconds', `Member must have value greater than or equal to ${SHORTEST_SESSION}`);
  }
  if (seconds > role.maxSession) {
    throw new AwsError(
      'ValidationError',
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  }
  return seconds;
}

function sessionPolicyOf(parameters: URLSearchParams): Statement[] | null {
  const text = parameters.get('Policy');
  if (text === null) return null;
  try {
    return parsePolicy(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SpecError || error instanceof SyntaxError)) throw error;
    throw new AwsError('MalformedPolicyDocument', `The policy is not in the valid JSON format: ${error.message}`);
  }
}

const assumedRoleUser = (role: Role, session: string): XmlTree => ({
  AssumedRoleId: `${roleId(role.arn)}:${session}`,
  Arn: assumedRoleArn(role.arn, session),
});

const credentialsTree = (credential: Credential): XmlTree => ({
  AccessKeyId: credential.accessKeyId,
  SecretAccessKey: credential.secretAccessKey,
  SessionToken: credential.sessionToken ?? '',
  Expiration: new Date(credential.expiresAt ?? 0).toISOString().replace(/\.\d+Z$/, 'Z'),
});

const invalid = (member: string, rule: string): AwsError =>
  new AwsError(
    'ValidationError',
    `1 validation error detected: Value at '${member}' failed to satisfy constraint: ${rule}`,
  );
