import { CallLog } from '@vaultplane/aws-emulator/call-log.ts';
import { CONTROL_PATH } from '@vaultplane/aws-emulator/control-server.ts';
import { Exchange } from '@vaultplane/aws-emulator/exchange.ts';
import {
  type Address,
  HttpListener,
  type Serve,
  startListeners,
  type Tls,
} from '@vaultplane/aws-emulator/http-listener.ts';
import { OrderBook } from '@vaultplane/aws-emulator/order-book.ts';
import { OrderedEmulator } from '@vaultplane/aws-emulator/ordered-emulator.ts';
import { headerValues, type ReceivedRequest } from '@vaultplane/aws-emulator/signature.ts';
import { ControlApi, type MachineChanges } from './control-api.ts';
import { type GoogleCall, type GoogleCallMatch, matchesGoogleCall, parseGoogleMatch } from './google-call.ts';
import { GOOGLE_ERRORS, type GoogleError, googleError, json, refuse, refusePage, refuseToken } from './google-error.ts';
import { type AuthorizedUser, Iam, type ServiceAccountKey } from './iam.ts';
import { type Machine, MetadataEndpoint } from './metadata-endpoint.ts';
import { OAuth } from './oauth.ts';
import { type Principal, type PrincipalSpec, parsePrincipal } from './principal.ts';
import { DEFAULT_PROJECT, Projects } from './project.ts';
import { SecretManager } from './secret-manager.ts';
import { SecretStore, secretName, type VersionState } from './secret-store.ts';
import { bytesOf, type Seed, type SeededSecret } from './seed.ts';

/** The service account that may do everything in the emulator's project. */
export const ADMIN_ACCOUNT = `emulator-admin@${DEFAULT_PROJECT}.iam.gserviceaccount.com`;
/** The service account of the machine that the metadata server describes. */
export const MACHINE_ACCOUNT = `emulator-machine@${DEFAULT_PROJECT}.iam.gserviceaccount.com`;

export type GcpEmulatorOptions = {
  /** 127.0.0.1. */
  host?: string;
  /** 0, any free port. */
  port?: number;
  /** Serves HTTPS; the metadata server then has a plain port of its own, as at Google. */
  tls?: Tls;
  /** Of that second port; 0. */
  metadataPort?: number;
  /** Of the machine, and of secrets that are put without one; emulator-project. */
  project?: string;
  principals?: PrincipalSpec[];
  seed?: Seed;
  /** Email; null for a machine without a service account. */
  serviceAccount?: string | null;
  /** Life of access tokens, seconds; an hour. */
  tokenSeconds?: number;
  /** Milliseconds since 1970; Date.now. */
  clock?: () => number;
  /** Lets others than this machine use `/_emulator`. */
  remoteControl?: boolean;
};

/** Starts an emulator; the caller stops it. Rejects with the system's error when the port is taken. */
export async function startGcpEmulator(options: GcpEmulatorOptions = {}): Promise<GcpEmulator> {
  const emulator = new GcpEmulator(options);
  await emulator.start();
  return emulator;
}

/** Secret Manager, the OAuth token endpoint and the metadata server of one Google Cloud of its own. */
export class GcpEmulator extends OrderedEmulator<GoogleCall, GoogleCallMatch> {
  readonly project: string;
  readonly #projects = new Projects();
  readonly #store: SecretStore;
  readonly #iam: Iam;
  readonly #oauth: OAuth;
  readonly #metadata: MetadataEndpoint;
  readonly #secretManager: SecretManager;
  readonly #exchange: Exchange<GoogleCall, GoogleError>;
  readonly #control: ControlApi;
  readonly #listener: HttpListener;
  readonly #metadataListener: HttpListener | null;

  /** Use `startGcpEmulator`. */
  constructor(options: GcpEmulatorOptions) {
    const { clock = Date.now, project = DEFAULT_PROJECT, tokenSeconds = 3600, host = '127.0.0.1' } = options;
    super({
      orders: new OrderBook(matchesGoogleCall),
      calls: new CallLog(clock, matchesGoogleCall),
      parseMatch: parseGoogleMatch,
    });
    this.project = project;
    this.#store = new SecretStore(clock);
    this.#iam = new Iam(clock);
    this.#oauth = new OAuth(this.#iam, clock, () => this.tokenUri, tokenSeconds);
    const { serviceAccount = MACHINE_ACCOUNT } = options;
    const machine = { project: this.#projects.add(project), serviceAccount, tokenSeconds };
    this.#metadata = new MetadataEndpoint(machine, this.#iam, clock);
    this.#secretManager = new SecretManager(this.#projects, this.#store, this.#iam);
    this.#exchange = new Exchange({ orders: this.orderBook, calls: this.callLog, errors: GOOGLE_ERRORS }, clock);
    this.#control = new ControlApi(this, options.remoteControl ?? false);
    this.addPrincipal({ email: ADMIN_ACCOUNT, grants: [{ role: 'admin' }] });
    this.addPrincipal({ email: MACHINE_ACCOUNT, grants: [{ role: 'secretAccessor' }, { role: 'viewer' }] });
    for (const principal of options.principals ?? []) this.addPrincipal(principal);
    if (options.seed) this.seed(options.seed);
    const { tls = null, port = 0, metadataPort = 0 } = options;
    this.#listener = new HttpListener(host, port, tls, this.#serve);
    this.#metadataListener = tls ? new HttpListener(host, metadataPort, null, this.#serve) : null;
  }

  /** Secret Manager and the token endpoint; also the base of the control API, `/_emulator`. */
  get url(): string {
    return this.#listener.url;
  }

  get address(): Address {
    return this.#listener.address;
  }

  /** The `token_uri` of key files. */
  get tokenUri(): string {
    return `${this.url}/token`;
  }

  /** For GCE_METADATA_HOST. */
  get metadataHost(): string {
    const { host, port } = (this.#metadataListener ?? this.#listener).address;
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
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

  /** Makes the secret or gives it a new version. A value that is no text and no bytes is put as its JSON. */
  putSecret(name: string, value: unknown, options: { project?: string; labels?: Record<string, string> } = {}) {
    const { project = this.project, labels = {} } = options;
    return this.putSeeded({ project, name, versions: [bytesOf(value)], labels: Object.entries(labels) });
  }

  /** As `putSecret`, in the form of seeds: several versions, oldest first. */
  putSeeded({ project: id, name, versions, labels }: SeededSecret): { name: string; version: number } {
    const project = this.#projects.add(id);
    const secret = this.#store.find(project, name) ?? this.#store.create(project, name);
    for (const [key, value] of labels) secret.labels.set(key, value);
    let version = 0;
    for (const data of versions) version = this.#store.addVersion(secret, data).number;
    return { name: secretName(secret), version };
  }

  seed(seed: Seed): void {
    for (const secret of seed.secrets) this.putSeeded(secret);
    for (const principal of seed.principals) this.#iam.addPrincipal(principal);
  }

  /** False when there is none. */
  deleteSecret(name: string, project = this.project): boolean {
    const found = this.#find(name, project);
    if (found) this.#store.remove(found);
    return found !== null;
  }

  /** A secret's versions, without values; null when there is none. */
  describeSecret(name: string, project = this.project) {
    const secret = this.#find(name, project);
    const versions = secret?.versions.map(({ number, state }) => ({ number, state }));
    return secret && { name: secretName(secret), versions, labels: Object.fromEntries(secret.labels) };
  }

  /** False when there is no such version. */
  setVersionState(name: string, number: number, state: VersionState, project = this.project): boolean {
    const secret = this.#find(name, project);
    const version = secret && this.#store.version(secret, String(number));
    if (secret && version) this.#store.setState(secret, version, state);
    return version !== null;
  }

  clearSecrets(): void {
    this.#store.clear();
  }

  /** Throws SpecError when the principal makes no sense. */
  addPrincipal(spec: PrincipalSpec): void {
    const principal = parsePrincipal(spec, this.project);
    this.#projects.add(principal.project);
    for (const grant of principal.grants) this.#projects.add(grant.project);
    this.#iam.addPrincipal(principal);
  }

  removePrincipal(email: string): boolean {
    return this.#iam.removePrincipal(email);
  }

  principals(): Principal[] {
    return this.#iam.principals();
  }

  /** A new key of a service account, as Google's console downloads it. */
  createKey(email = ADMIN_ACCOUNT): ServiceAccountKey {
    return this.#iam.createKey(email, this.tokenUri);
  }

  /** By its private_key_id. */
  deleteKey(id: string): boolean {
    return this.#iam.deleteKey(id);
  }

  createUser(email = ADMIN_ACCOUNT): AuthorizedUser {
    return this.#iam.createUser(email);
  }

  issueToken(email = ADMIN_ACCOUNT, seconds = 3600): string {
    return this.#iam.issueToken(email, seconds);
  }

  /** All access tokens of a principal, or of all, mean nobody from now on. How many there were. */
  revokeTokens(email?: string): number {
    const revoked = this.#iam.revokeTokens(email);
    this.#metadata.renew();
    return revoked;
  }

  get machine(): Readonly<Machine> {
    return { ...this.#metadata.machine };
  }

  /** Changes what the metadata server says, and how long tokens live from then on. */
  setMachine({ project, ...changes }: MachineChanges): void {
    Object.assign(this.#metadata.machine, changes, project !== undefined && { project: this.#projects.add(project) });
    if (changes.tokenSeconds !== undefined) this.#oauth.tokenSeconds = changes.tokenSeconds;
    this.#metadata.renew();
  }

  #find(name: string, project: string) {
    const found = this.#projects.find(project);
    return found && this.#store.find(found, name);
  }

  readonly #serve: Serve = async (request, response, received) => {
    const { path } = received;
    if (path === CONTROL_PATH || path.startsWith(`${CONTROL_PATH}/`)) {
      return this.#control.handle(request, response, received);
    }
    if (path === '/token') {
      const call = this.#begin('oauth', OAuth.operationOf(received), received);
      const told = (email: string) => {
        call.email = email;
      };
      return this.#exchange.carryOut(call, response, refuseToken, () => this.#oauth.carryOut(received, told));
    }
    if (MetadataEndpoint.serves(path)) {
      const call = this.#begin('metadata', MetadataEndpoint.operationOf(received), received);
      return this.#exchange.carryOut(call, response, refusePage, () => this.#metadata.answer(received));
    }
    const asked = SecretManager.requestOf(received);
    const { operation = 'Unknown', project = null, secret = null, version = null } = asked ?? {};
    const call = this.#begin('secretmanager', operation, received, { project, secret, version });
    return this.#exchange.carryOut(call, response, refuse, () => {
      const principal = this.#iam.authenticate(headerValues(received, 'authorization')[0]);
      call.email = principal.email;
      if (!asked) throw googleError('NOT_FOUND', 'Method not found.');
      return json(200, this.#secretManager.carryOut(asked, principal, received));
    });
  };

  #begin(
    service: GoogleCall['service'],
    operation: string,
    received: ReceivedRequest,
    asked: Pick<GoogleCall, 'project' | 'secret' | 'version'> = { project: null, secret: null, version: null },
  ): GoogleCall {
    const host = headerValues(received, 'host')[0] ?? null;
    return this.callLog.begin({ service, operation, ...asked, email: null, host, path: received.path });
  }
}
