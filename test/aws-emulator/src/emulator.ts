import { AwsEndpoint } from './aws-endpoint.ts';
import { AWS_ERRORS } from './aws-error.ts';
import { type Call, CallLog, type CallMatch, matchesCall } from './call-log.ts';
import { ControlApi } from './control-api.ts';
import { CONTROL_PATH } from './control-server.ts';
import { Exchange } from './exchange.ts';
import { type Address, HttpListener, type Serve, startListeners, type Tls } from './http-listener.ts';
import { type Credential, Iam } from './iam.ts';
import { type KmsKeyState, KmsKeys, kmsKeyArn } from './kms-keys.ts';
import { type ImdsMode, type Machine, MetadataEndpoint } from './metadata-endpoint.ts';
import { AwsOrderBook, parseMatch } from './order-book.ts';
import { OrderedEmulator } from './ordered-emulator.ts';
import { DEFAULT_ACCOUNT, type PrincipalSpec, parsePrincipal, parseRole, type RoleSpec } from './principal.ts';
import { S3 } from './s3.ts';
import type { SecretValue } from './secret.ts';
import { SecretStore } from './secret-store.ts';
import { SecretsManager } from './secrets-manager.ts';
import type { Seed, SeededSecret } from './seed.ts';
import { SpecError } from './spec-error.ts';
import { Sts } from './sts.ts';

/** Keys of the principal that may do everything; fake, and the same everywhere so that they can be written down. */
export const ADMIN_CREDENTIALS = {
  accessKeyId: 'AKIAEMULATORADMIN000',
  secretAccessKey: 'emulator-secret-key-that-opens-nothing-real',
} as const;
export const CONTAINER_TOKEN = 'emulator-container-token';
export const INSTANCE_ROLE = 'emulator-instance';
export const TASK_ROLE = 'emulator-task';

export type EmulatorOptions = {
  /** 127.0.0.1. */
  host?: string;
  /** 0, any free port. */
  port?: number;
  /** Serves HTTPS; metadata and container credentials then have a plain port of their own, as on AWS. */
  tls?: Tls;
  /** Of that second port; 0. */
  metadataPort?: number;
  /** Of the machine that IMDS describes, and of secrets that are seeded without one; us-east-1. */
  region?: string;
  /** Of the administrator, in place of ADMIN_CREDENTIALS. */
  credentials?: { accessKeyId: string; secretAccessKey: string };
  principals?: PrincipalSpec[];
  roles?: RoleSpec[];
  seed?: Seed;
  /** v2. */
  imds?: ImdsMode;
  /** Name or ARN; null for a machine without an instance profile. */
  instanceRole?: string | null;
  taskRole?: string | null;
  /** Null: container credentials without an Authorization header. */
  containerToken?: string | null;
  /** Life of credentials from IMDS and the container endpoint, seconds; six hours. */
  sessionSeconds?: number;
  /** Milliseconds since 1970; Date.now. For credentials, signatures, recovery windows and the Date header. */
  clock?: () => number;
  /** Lets others than this machine use `/_emulator`. */
  remoteControl?: boolean;
};

export type PutOptions = {
  account?: string;
  stages?: string[];
  versionId?: string;
  description?: string;
  tags?: Record<string, string>;
  sharedWith?: string[];
  /** A customer's key, by id or ARN; without it the secret is under aws/secretsmanager. */
  kmsKeyId?: string;
};

/**
 * Starts an emulator; the caller stops it. Rejects with the system's error when the port is taken.
 *
 * @example
 * const emulator = await startEmulator();
 * emulator.putSecret('eu-central-1', 'app/db', 'one');
 * const order = emulator.order({ match: { region: 'eu-*', secret: 'app/*' }, behaviour: { kind: 'hang' } });
 * const [call] = await emulator.waitForCalls({ operation: 'GetSecretValue' }); // whoever reads app/db now waits
 * order.release(); // and now gets its answer
 * await emulator.stop();
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const emulator = new Emulator(options);
  await emulator.start();
  return emulator;
}

export class Emulator extends OrderedEmulator<Call, CallMatch, AwsOrderBook> {
  readonly region: string;
  readonly #credentials: { accessKeyId: string; secretAccessKey: string };
  readonly #clock: () => number;
  readonly #store: SecretStore;
  readonly #iam: Iam;
  readonly #keys = new KmsKeys();
  readonly #s3: S3;
  readonly #metadata: MetadataEndpoint;
  readonly #listener: HttpListener;
  readonly #metadataListener: HttpListener | null;

  /** Use `startEmulator`. */
  constructor(options: EmulatorOptions) {
    const clock = options.clock ?? Date.now;
    super({ orders: new AwsOrderBook(), calls: new CallLog(clock, matchesCall), parseMatch });
    this.#clock = clock;
    this.region = options.region ?? 'us-east-1';
    const { accessKeyId, secretAccessKey } = options.credentials ?? ADMIN_CREDENTIALS;
    this.#credentials = { accessKeyId, secretAccessKey };
    this.#store = new SecretStore(this.#clock);
    this.#iam = new Iam(this.#clock);
    this.#s3 = new S3(this.#iam, this.#clock);
    const everything = [{ effect: 'allow' as const, actions: ['*'] }];
    this.addPrincipal({ name: 'emulator-admin', ...this.#credentials, policy: everything });
    for (const name of [INSTANCE_ROLE, TASK_ROLE]) {
      this.addRole({ name, trust: { principals: [DEFAULT_ACCOUNT] }, policy: everything, maxSession: 43_200 });
    }
    for (const principal of options.principals ?? []) this.addPrincipal(principal);
    for (const role of options.roles ?? []) this.addRole(role);
    if (options.seed) this.seed(options.seed);

    const exchange = new Exchange({ orders: this.orderBook, calls: this.callLog, errors: AWS_ERRORS }, this.#clock);
    this.#metadata = new MetadataEndpoint(
      {
        imds: options.imds ?? 'v2',
        instanceRole: roleArn(options.instanceRole === undefined ? INSTANCE_ROLE : options.instanceRole),
        taskRole: roleArn(options.taskRole === undefined ? TASK_ROLE : options.taskRole),
        containerToken: options.containerToken === undefined ? CONTAINER_TOKEN : options.containerToken,
        region: this.region,
        sessionSeconds: options.sessionSeconds ?? 21_600,
      },
      this.#iam,
      this.callLog,
      exchange,
      this.#clock,
    );
    const aws = new AwsEndpoint({
      secretsManager: new SecretsManager(this.#store, this.#iam, this.#keys, this.#clock),
      sts: new Sts(this.#iam, this.#clock),
      s3: this.#s3,
      iam: this.#iam,
      calls: this.callLog,
      orders: this.orderBook,
      exchange,
      region: this.region,
    });
    const control = new ControlApi(this, options.remoteControl ?? false);
    const host = options.host ?? '127.0.0.1';
    const serve = (parts: { aws: AwsEndpoint | null }) => routed({ metadata: this.#metadata, control, ...parts });
    this.#listener = new HttpListener(host, options.port ?? 0, options.tls ?? null, serve({ aws }));
    this.#metadataListener = options.tls
      ? new HttpListener(host, options.metadataPort ?? 0, null, serve({ aws: null }))
      : null;
  }

  /** The administrator's; a copy each time, since the AWS SDK writes into the object that it is given. */
  get credentials(): { accessKeyId: string; secretAccessKey: string } {
    return { ...this.#credentials };
  }

  /** Secrets Manager and STS; also the base of the control API, `/_emulator`. */
  get url(): string {
    return this.#listener.url;
  }

  get address(): Address {
    return this.#listener.address;
  }

  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  get imdsUrl(): string {
    return (this.#metadataListener ?? this.#listener).url;
  }

  /** For AWS_CONTAINER_CREDENTIALS_FULL_URI; needs `containerToken` as AWS_CONTAINER_AUTHORIZATION_TOKEN. */
  get containerCredentialsUrl(): string {
    const { taskRole } = this.#metadata.machine;
    const base = (this.#metadataListener ?? this.#listener).url;
    return taskRole === null ? `${base}/v1/credentials` : `${base}/v2/credentials/${taskRole.split('/').at(-1)}`;
  }

  get containerToken(): string | null {
    return this.#metadata.machine.containerToken;
  }

  /** What a child process needs to talk to this emulator as the administrator, through any AWS SDK or the AWS CLI. */
  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.url,
      AWS_REGION: this.region,
      AWS_DEFAULT_REGION: this.region,
      AWS_ACCESS_KEY_ID: this.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.credentials.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /** Serves again after `stop`, on the same port and with all its secrets: an outage that ends. */
  async start(): Promise<void> {
    await startListeners(this.#listener, this.#metadataListener);
  }

  /** Closes every connection, those of hung and delayed calls too; `url` stays readable. */
  async stop(): Promise<void> {
    await Promise.all([this.#listener.stop(), this.#metadataListener?.stop()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Makes the secret or gives it a new version, which becomes AWSCURRENT unless `stages` says otherwise. */
  putSecret(region: string, name: string, value: string | Uint8Array | object, options: PutOptions = {}) {
    return this.putSeeded({
      account: options.account ?? DEFAULT_ACCOUNT,
      region,
      name,
      versions: [secretValueOf(value)],
      stages: options.stages ?? null,
      versionId: options.versionId ?? null,
      description: options.description ?? null,
      tags: Object.entries(options.tags ?? {}),
      sharedWith: options.sharedWith ?? [],
      kmsKeyId: options.kmsKeyId ?? null,
    });
  }

  /** As `putSecret`, in the form of seeds: several versions, oldest first. */
  putSeeded(seeded: SeededSecret): { arn: string; name: string; versionId: string } {
    const { account, region, name, versions } = seeded;
    let last: ReturnType<SecretStore['put']> | undefined;
    for (const [index, value] of versions.entries()) {
      const newest = index === versions.length - 1;
      const id = newest ? (seeded.versionId ?? undefined) : undefined;
      last = this.#store.put(account, region, name, value, newest ? seeded.stages : null, id);
    }
    const { secret, version } = last!;
    if (seeded.description !== null) secret.description = seeded.description;
    if (seeded.kmsKeyId !== null) secret.kmsKeyId = seeded.kmsKeyId;
    for (const [key, tag] of seeded.tags) secret.tags.set(key, tag);
    for (const other of seeded.sharedWith) secret.sharedWith.add(other);
    return { arn: secret.arn, name: secret.name, versionId: version.id };
  }

  /** Enables a KMS key, disables it, or marks it for deletion. @param key an id in the default account, or an ARN */
  setKmsKey(region: string, key: string, state: KmsKeyState): void {
    this.#keys.setState(kmsKeyArn(region, DEFAULT_ACCOUNT, key), state);
  }

  seed(seed: Seed): void {
    for (const secret of seed.secrets) this.putSeeded(secret);
    for (const principal of seed.principals) this.#iam.addPrincipal(principal);
    for (const role of seed.roles) this.#iam.addRole(role);
  }

  /** Takes the secret away at once, without a recovery window. False when there is none. */
  deleteSecret(region: string, id: string, account = DEFAULT_ACCOUNT): boolean {
    const secret = this.#store.lookUp({ account, region, id });
    if (secret) this.#store.remove(secret);
    return secret !== null;
  }

  /** A secret's versions and labels, without values; null when there is none. */
  describeSecret(region: string, id: string, account = DEFAULT_ACCOUNT) {
    const secret = this.#store.lookUp({ account, region, id });
    if (!secret) return null;
    const versions = [...secret.versions.values()].map((version) => ({ id: version.id, stages: [...version.stages] }));
    return { arn: secret.arn, name: secret.name, versions, deleted: secret.deletion !== null };
  }

  /** Makes an S3 bucket, if there is none of this name. */
  addBucket(bucket: string): void {
    this.#s3.addBucket(bucket);
  }

  /** What is in S3; null where there is no such object. */
  object(bucket: string, key: string): Buffer | null {
    return this.#s3.object(bucket, key);
  }

  /** Puts an object into S3, and makes its bucket. */
  putObject(bucket: string, key: string, body: Buffer): void {
    this.#s3.putObject(bucket, key, body);
  }

  clearSecrets(): void {
    this.#store.clear();
  }

  /** Throws SpecError when the principal makes no sense; so do the other methods that take a specification. */
  addPrincipal(principal: PrincipalSpec): void {
    this.#iam.addPrincipal(parsePrincipal(principal));
  }

  removePrincipal(name: string, account = DEFAULT_ACCOUNT): boolean {
    return this.#iam.removePrincipal(name, account);
  }

  /** Returns the role's ARN. */
  addRole(role: RoleSpec): string {
    const parsed = parseRole(role);
    this.#iam.addRole(parsed);
    return parsed.arn;
  }

  removeRole(nameOrArn: string): boolean {
    return this.#iam.removeRole(roleArn(nameOrArn)!);
  }

  principals(): { arn: string; accessKeyId: string }[] {
    return this.#iam.principals().map(({ account, name, accessKeyId }) => ({
      arn: `arn:aws:iam::${account}:user/${name}`,
      accessKeyId,
    }));
  }

  roles(): string[] {
    return this.#iam.roles().map((role) => role.arn);
  }

  /** Temporary credentials of a role, for `seconds` (3600), without a call to STS. */
  issueCredentials(role: string, session = 'emulator-session', seconds = 3600) {
    const found = this.#iam.role(roleArn(role)!);
    if (!found) throw new SpecError(`there is no role ${role}`);
    return temporary(this.#iam.issue(found, session, seconds));
  }

  /** The credentials go on to exist but answer "expired". False when unknown. */
  expireCredentials(accessKeyId: string): boolean {
    return this.#iam.expire(accessKeyId);
  }

  /** The credentials are unknown from now on. False when they were before. */
  revokeCredentials(accessKeyId: string): boolean {
    return this.#iam.revoke(accessKeyId);
  }

  get machine(): Readonly<Machine> {
    return { ...this.#metadata.machine };
  }

  /** Changes what IMDS and the container endpoint say; credentials are handed out anew from then on. */
  setMachine(changes: Partial<Machine>): void {
    const named = { ...changes };
    for (const key of ['instanceRole', 'taskRole'] as const) {
      if (named[key] !== undefined) named[key] = roleArn(named[key]);
    }
    Object.assign(this.#metadata.machine, named);
    this.#metadata.renew();
  }
}

/** Which part answers what on a port. */
function routed(parts: { metadata: MetadataEndpoint; control: ControlApi; aws: AwsEndpoint | null }): Serve {
  return async (request, response, received) => {
    const { path } = received;
    if (path === CONTROL_PATH || path.startsWith(`${CONTROL_PATH}/`)) {
      return parts.control.handle(request, response, received);
    }
    const metadata = MetadataEndpoint.serviceOf(path);
    if (metadata && request.headers['x-amz-target'] === undefined) {
      return parts.metadata.handle(metadata, response, received);
    }
    if (parts.aws) return parts.aws.handle(request, response, received);
    response.writeHead(404).end();
  };
}

function secretValueOf(value: string | Uint8Array | object): SecretValue {
  if (typeof value === 'string') return { text: value };
  return value instanceof Uint8Array ? { bytes: Buffer.from(value) } : { text: JSON.stringify(value) };
}

const roleArn = (nameOrArn: string | null): string | null =>
  nameOrArn === null || nameOrArn.startsWith('arn:') ? nameOrArn : `arn:aws:iam::${DEFAULT_ACCOUNT}:role/${nameOrArn}`;

const temporary = (credential: Credential) => ({
  accessKeyId: credential.accessKeyId,
  secretAccessKey: credential.secretAccessKey,
  sessionToken: credential.sessionToken!,
  expiration: new Date(credential.expiresAt!),
});
