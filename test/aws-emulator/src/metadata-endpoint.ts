import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { AwsError } from './aws-error.ts';
import type { Call, CallLog, EmulatedService } from './call-log.ts';
import type { Answer, Exchange } from './exchange.ts';
import { type Credential, callerOf, type Iam } from './iam.ts';
import type { Role } from './principal.ts';
import { headerValues, type ReceivedRequest } from './signature.ts';

/** `v1`: no tokens; `v2`: tokens are given but not needed; `v2-only`: nothing without one; `off`: 403. */
export type ImdsMode = 'v1' | 'v2' | 'v2-only' | 'off';
export const IMDS_MODES: readonly ImdsMode[] = ['v1', 'v2', 'v2-only', 'off'];

/** What this machine is to its workloads; tests change it while the emulator runs. */
export type Machine = {
  imds: ImdsMode;
  /** ARN of the role in the instance profile; null: no profile. */
  instanceRole: string | null;
  /** ARN of the role that `/v1/credentials` (EKS pod identity) hands out; null: none. */
  taskRole: string | null;
  /** What the Authorization header of a container credentials call must hold; null: anything goes. */
  containerToken: string | null;
  region: string;
  /** Life of the credentials handed out, seconds. A role's own `sessionSeconds` goes before it. */
  sessionSeconds: number;
};

const INSTANCE_ID = 'i-0e0e0e0e0e0e0e0e0';
const CREDENTIALS = '/latest/meta-data/iam/security-credentials';
const TOKEN_HEADER = 'x-aws-ec2-metadata-token';
/** AWS renews credentials on its side well before they expire, and answers with the same ones until then. */
const RENEW_BEFORE_MS = 300_000;

/** The EC2 instance metadata service and the ECS / EKS container credentials endpoint. */
export class MetadataEndpoint {
  readonly machine: Machine;
  readonly #iam: Iam;
  readonly #calls: CallLog;
  readonly #exchange: Exchange<Call, AwsError>;
  readonly #clock: () => number;
  readonly #tokens = new Map<string, number>();
  readonly #handedOut = new Map<string, { credential: Credential; issuedAt: number }>();

  constructor(machine: Machine, iam: Iam, calls: CallLog, exchange: Exchange<Call, AwsError>, clock: () => number) {
    this.machine = machine;
    this.#iam = iam;
    this.#calls = calls;
    this.#exchange = exchange;
    this.#clock = clock;
  }

  /** Whether the path belongs to the metadata service, the credentials endpoint, or neither. */
  static serviceOf(path: string): 'imds' | 'ecs' | null {
    if (path.startsWith('/latest/')) return 'imds';
    return /^\/v[12]\/credentials(\/|$)/.test(path) ? 'ecs' : null;
  }

  async handle(service: 'imds' | 'ecs', response: ServerResponse, received: ReceivedRequest): Promise<void> {
    const call = this.#begin(service, service === 'imds' ? imdsOperation(received) : 'GetCredentials', received);
    const answer = () => (service === 'imds' ? this.#imds(received, call) : this.#container(received, call));
    await this.#exchange.carryOut(call, response, refuse, answer);
  }

  /** Drops what was handed out, so that the next call gets new credentials; old ones stay valid. */
  renew(): void {
    this.#handedOut.clear();
  }

  #imds(received: ReceivedRequest, call: Call): Answer {
    const { imds, region, instanceRole } = this.machine;
    if (imds === 'off') return failure(403, 'Forbidden');
    if (received.path === '/latest/api/token') return this.#token(received);
    if (received.method !== 'GET' && received.method !== 'HEAD') return failure(405, 'Method Not Allowed');
    const token = headerValues(received, TOKEN_HEADER)[0];
    if (token === undefined ? imds === 'v2-only' : imds !== 'v1' && !this.#isToken(token)) {
      return failure(401, 'Unauthorized');
    }
    const path = received.path.replace(/\/$/, '');
    const role = instanceRole === null ? null : this.#iam.role(instanceRole);
    if (path === CREDENTIALS) return role ? plain(role.name) : failure(404, 'Not Found');
    if (path === `${CREDENTIALS}/${role?.name}`) {
      const { credential, issuedAt } = this.#handOut('imds', role!, INSTANCE_ID, call);
      return json({
        Code: 'Success',
        LastUpdated: seconds(issuedAt),
        Type: 'AWS-HMAC',
        AccessKeyId: credential.accessKeyId,
        SecretAccessKey: credential.secretAccessKey,
        Token: credential.sessionToken,
        Expiration: seconds(credential.expiresAt!),
      });
    }
    const account = role?.account ?? '123456789012';
    const zone = `${region}a`;
    const facts: Record<string, () => Answer> = {
      '/latest/meta-data/placement/region': () => plain(region),
      '/latest/meta-data/placement/availability-zone': () => plain(zone),
      '/latest/meta-data/instance-id': () => plain(INSTANCE_ID),
      '/latest/meta-data/iam/info': () =>
        role
          ? json({
              Code: 'Success',
              LastUpdated: seconds(this.#clock()),
              InstanceProfileArn: `arn:aws:iam::${account}:instance-profile/${role.name}`,
              InstanceProfileId: 'AIPAEMULATOREMULATOR1',
            })
          : failure(404, 'Not Found'),
      '/latest/dynamic/instance-identity/document': () =>
        json({ accountId: account, availabilityZone: zone, instanceId: INSTANCE_ID, region, version: '2017-09-30' }),
    };
    return facts[path]?.() ?? failure(404, 'Not Found');
  }

  #token(received: ReceivedRequest): Answer {
    // A service that knows only version 1 has no such page; SDKs take 404 as "go on without a token".
    if (this.machine.imds === 'v1') return failure(404, 'Not Found');
    if (received.method !== 'PUT') return failure(405, 'Method Not Allowed');
    // AWS refuses proxied token requests, so that an open proxy on the instance gives nothing away.
    if (headerValues(received, 'x-forwarded-for').length > 0) return failure(403, 'Forbidden');
    const asked = headerValues(received, `${TOKEN_HEADER}-ttl-seconds`)[0] ?? '';
    const ttl = /^\d{1,5}$/.test(asked) ? Number(asked) : 0;
    if (ttl < 1 || ttl > 21_600) return failure(400, 'Bad Request');
    const now = this.#clock();
    for (const [token, expiresAt] of this.#tokens) if (expiresAt <= now) this.#tokens.delete(token);
    const token = randomBytes(42).toString('base64');
    this.#tokens.set(token, now + ttl * 1000);
    const answer = plain(token);
    answer.headers[`${TOKEN_HEADER}-ttl-seconds`] = String(ttl);
    return answer;
  }

  #isToken(token: string): boolean {
    return (this.#tokens.get(token) ?? 0) > this.#clock();
  }

  /** `/v2/credentials/ROLE` is a task's credentials on ECS, `/v1/credentials` a pod's on EKS. */
  #container(received: ReceivedRequest, call: Call): Answer {
    const { taskRole, containerToken } = this.machine;
    if (received.method !== 'GET') return failure(405, 'Method Not Allowed');
    if (containerToken !== null && !sameText(headerValues(received, 'authorization')[0] ?? '', containerToken)) {
      return json(
        { code: 'AccessDenied', message: 'The Authorization header is missing or wrong' },
        401,
        'AccessDenied',
      );
    }
    const name = decodeURIComponent(/^\/v\d\/credentials\/(.+)$/.exec(received.path)?.[1] ?? '');
    const role = name
      ? this.#iam.roles().find((candidate) => candidate.name === name)
      : taskRole === null
        ? null
        : this.#iam.role(taskRole);
    if (!role) return json({ code: 'NotFound', message: 'There is no such task role' }, 404, 'NotFound');
    const { credential } = this.#handOut('ecs', role, 'emulator-task', call);
    return json({
      RoleArn: role.arn,
      AccountId: role.account,
      AccessKeyId: credential.accessKeyId,
      SecretAccessKey: credential.secretAccessKey,
      Token: credential.sessionToken,
      Expiration: seconds(credential.expiresAt!),
    });
  }

  #handOut(service: EmulatedService, role: Role, session: string, call: Call) {
    const key = `${service} ${role.arn}`;
    const now = this.#clock();
    let held = this.#handedOut.get(key);
    const lasting = held && this.#iam.credential(held.credential.accessKeyId) ? held.credential.expiresAt! - now : 0;
    // Of short-lived credentials half the life is left before they are renewed, or none would ever be repeated.
    const margin = held ? Math.min(RENEW_BEFORE_MS, (held.credential.expiresAt! - held.issuedAt) / 2) : 0;
    if (!held || lasting <= margin) {
      held = { credential: this.#iam.issue(role, session, this.machine.sessionSeconds), issuedAt: now };
      this.#handedOut.set(key, held);
    }
    const caller = callerOf(held.credential);
    Object.assign(call, { principalArn: caller.arn, roleArn: caller.roleArn, roleSession: caller.session });
    call.accessKeyId = held.credential.accessKeyId;
    return held;
  }

  #begin(service: 'imds' | 'ecs', operation: string, received: ReceivedRequest): Call {
    return this.#calls.begin({
      service,
      operation,
      region: null,
      secretId: null,
      secretIds: [],
      accessKeyId: null,
      principalArn: null,
      roleArn: null,
      roleSession: null,
      host: headerValues(received, 'host')[0] ?? null,
      path: received.path,
    });
  }
}

/** Names for the call log and for orders; the service itself has none. */
function imdsOperation(received: ReceivedRequest): string {
  if (received.path === '/latest/api/token') return 'PutToken';
  if (received.path.replace(/\/$/, '') === CREDENTIALS) return 'GetRoleName';
  return received.path.startsWith(`${CREDENTIALS}/`) ? 'GetRoleCredentials' : 'GetMetadata';
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

const seconds = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

const plain = (body: string): Answer => ({
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body,
  errorCode: null,
});

const failure = (status: number, reason: string): Answer => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: `<?xml version="1.0"?><html><head><title>${status} - ${reason}</title></head></html>`,
  errorCode: reason,
});

const json = (body: unknown, status = 200, errorCode: string | null = null): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
  errorCode,
});

const refuse = (error: AwsError): Answer =>
  json({ code: error.code, message: error.message }, error.status, error.code);
