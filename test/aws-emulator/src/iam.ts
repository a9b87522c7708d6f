import { createHash, randomBytes } from 'node:crypto';
import { AwsError, type AwsService, credentialError } from './aws-error.ts';
import { decide, type Resource, type Statement } from './policy.ts';
import type { Principal, Role } from './principal.ts';
import { checkSignature, type ReceivedRequest, type SignatureClaim } from './signature.ts';

/** Who a request comes from once its signature has been proven. */
export type Caller = {
  /** `arn:aws:iam::ACCOUNT:user/NAME` or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`. */
  arn: string;
  account: string;
  userId: string;
  /** Of an assumed role; null for a user. */
  roleArn: string | null;
  session: string | null;
  credential: Credential;
};

export type Credential = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
  /** Milliseconds since 1970; null for keys that do not expire. */
  expiresAt: number | null;
  readonly owner:
    | { kind: 'user'; name: string; account: string }
    | { kind: 'session'; roleArn: string; account: string; session: string; policy: Statement[] | null };
};

/** Principals, roles and the credentials that stand for them. */
export class Iam {
  readonly #clock: () => number;
  readonly #principals = new Map<string, Principal>();
  readonly #roles = new Map<string, Role>();
  readonly #credentials = new Map<string, Credential>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Adds a principal or replaces the one of the same account and name, whose keys then stop working. */
  addPrincipal(principal: Principal): void {
    this.removePrincipal(principal.name, principal.account);
    this.#principals.set(`${principal.account}/${principal.name}`, principal);
    this.#credentials.set(principal.accessKeyId, {
      accessKeyId: principal.accessKeyId,
      secretAccessKey: principal.secretAccessKey,
      sessionToken: principal.sessionToken,
      expiresAt: principal.expiresAt,
      owner: { kind: 'user', name: principal.name, account: principal.account },
    });
  }

  removePrincipal(name: string, account: string): boolean {
    const principal = this.#principals.get(`${account}/${name}`);
    if (!principal) return false;
    this.#credentials.delete(principal.accessKeyId);
    return this.#principals.delete(`${account}/${name}`);
  }

  principals(): Principal[] {
    return [...this.#principals.values()];
  }

  /** Adds or replaces a role; sessions that exist follow its new policy at once, as at AWS. */
  addRole(role: Role): void {
    this.#roles.set(role.arn, role);
  }

  removeRole(arn: string): boolean {
    return this.#roles.delete(arn);
  }

  roles(): Role[] {
    return [...this.#roles.values()];
  }

  role(arn: string): Role | null {
    return this.#roles.get(arn) ?? null;
  }

  /** Temporary credentials for a session of `role`, good for `seconds` or for what the role dictates. */
  issue(role: Role, session: string, seconds: number, policy: Statement[] | null = null): Credential {
    const credential: Credential = {
      accessKeyId: `ASIA${randomKey(16)}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: `emulator//${randomBytes(96).toString('base64')}`,
      expiresAt: this.#clock() + (role.sessionSeconds ?? seconds) * 1000,
      owner: { kind: 'session', roleArn: role.arn, account: role.account, session, policy },
    };
    this.#credentials.set(credential.accessKeyId, credential);
    return credential;
  }

  credential(accessKeyId: string): Credential | null {
    return this.#credentials.get(accessKeyId) ?? null;
  }

  /** Every later use answers "expired". False when there is no such key. */
  expire(accessKeyId: string): boolean {
    const credential = this.#credentials.get(accessKeyId);
    if (!credential) return false;
    credential.expiresAt = this.#clock();
    return true;
  }

  /** Every later use answers "unknown". False when there is no such key. */
  revoke(accessKeyId: string): boolean {
    return this.#credentials.delete(accessKeyId);
  }

  /** Proves the signature; throws the service's error for unknown, expired and wrong credentials. */
  authenticate(request: ReceivedRequest, claim: SignatureClaim | null, service: AwsService): Caller {
    if (claim === null) throw credentialError(service, 'missing');
    const credential = this.#credentials.get(claim.accessKeyId);
    if (!credential || credential.sessionToken !== claim.sessionToken) throw credentialError(service, 'unknown');
    if (credential.expiresAt !== null && credential.expiresAt <= this.#clock()) {
      throw credentialError(service, 'expired');
    }
    checkSignature(request, claim, credential.secretAccessKey, service, this.#clock());
    return callerOf(credential);
  }

  /**
   * Whether identity policies let `caller` do it: those of the user or role, cut down by the session policy.
   * Null when allowed, otherwise the reason in AWS's words.
   */
  refusal(caller: Caller, action: string, resource: Resource, region: string): string | null {
    const owner = caller.credential.owner;
    const own =
      owner.kind === 'user'
        ? this.#principals.get(`${owner.account}/${owner.name}`)?.policy
        : this.#roles.get(owner.roleArn)?.policy;
    const layers: [name: string, policy: Statement[]][] = [['identity-based', own ?? []]];
    if (owner.kind === 'session' && owner.policy !== null) layers.push(['session', owner.policy]);
    const verdicts = layers.map(([name, policy]) => [name, decide(policy, action, resource, region)] as const);
    for (const [name, verdict] of verdicts) {
      if (verdict === 'deny') return `with an explicit deny in ${name === 'session' ? 'a' : 'an'} ${name} policy`;
    }
    for (const [name, verdict] of verdicts) {
      if (verdict === 'none') return `because no ${name} policy allows the ${action} action`;
    }
    return null;
  }
}

export function callerOf(credential: Credential): Caller {
  const { owner } = credential;
  if (owner.kind === 'user') {
    return {
      arn: `arn:aws:iam::${owner.account}:user/${owner.name}`,
      account: owner.account,
      userId: stableId('AIDA', `${owner.account}/${owner.name}`),
      roleArn: null,
      session: null,
      credential,
    };
  }
  return {
    arn: assumedRoleArn(owner.roleArn, owner.session),
    account: owner.account,
    userId: `${roleId(owner.roleArn)}:${owner.session}`,
    roleArn: owner.roleArn,
    session: owner.session,
    credential,
  };
}

/** `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`; a role's path is not part of it. */
export function assumedRoleArn(roleArn: string, session: string): string {
  const [, , , , account] = roleArn.split(':');
  return `arn:aws:sts::${account}:assumed-role/${roleArn.split('/').at(-1)}/${session}`;
}

export const roleId = (roleArn: string): string => stableId('AROA', roleArn);

/** "User: … is not authorized to perform: …", which clients and people look for in logs. */
export function accessDenied(caller: Caller, action: string, resource: string, reason: string): AwsError {
  return new AwsError(
    'AccessDeniedException',
    `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${resource} ${reason}`,
  );
}

const KEY_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const randomKey = (length: number): string =>
  Array.from(randomBytes(length), (byte) => KEY_LETTERS[byte % KEY_LETTERS.length]).join('');

/** AWS's unique ids stay the same for a user or role; here they are derived from its name. */
function stableId(prefix: string, name: string): string {
  const digest = createHash('sha256').update(name).digest().subarray(0, 17);
  return prefix + Array.from(digest, (byte) => KEY_LETTERS[byte % KEY_LETTERS.length]).join('');
}
