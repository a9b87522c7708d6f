import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@vaultplane/testkit/free-ports.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { openBaoBinary } from './open-bao-binary.ts';

/** Far more than an unsealed server takes to serve, in milliseconds. */
const SERVES_WITHIN_MS = 60_000;

let binary: ReturnType<typeof openBaoBinary> | undefined;

/** Why no server can be had here; undefined where one can. For the `skip` of tests that need it. */
export function noOpenBao(): string | undefined {
  binary ??= openBaoBinary();
  return 'missing' in binary ? binary.missing : undefined;
}

export interface OpenBaoOptions {
  /** Over TLS, by a certificate that the server makes itself; `caFile` has who signed it. */
  tls?: boolean;
  /** A free one where not given. */
  port?: number;
}

export interface ApiOptions {
  token?: string;
  namespace?: string;
  /** Seconds; the answer comes wrapped. */
  wrapTtlSeconds?: number;
}

/** The parts of an answer that tests look at. */
export interface ApiAnswer {
  data: Record<string, unknown> | null;
  auth: { client_token: string; accessor: string } | null;
  wrap_info: { token: string } | null;
}

/** A real OpenBao server, in its development mode: in memory, unsealed, with a known root token. */
export class OpenBao implements AsyncDisposable {
  readonly rootToken: string;
  readonly port: number;
  readonly #folder: string;
  readonly #isTls: boolean;
  #child: ChildProcess | null = null;
  #unsealKey = '';

  private constructor(port: number, isTls: boolean) {
    this.port = port;
    this.#isTls = isTls;
    this.rootToken = `root-${randomBytes(12).toString('hex')}`;
    this.#folder = mkdtempSync(join(tmpdir(), 'vaultplane-openbao-'));
  }

  static async start({ tls = false, port }: OpenBaoOptions = {}): Promise<OpenBao> {
    // Another program may take a free port, or the one above it, before the server does.
    for (let attempts = 4; ; attempts--) {
      const server = new OpenBao(port ?? (await freePort()), tls);
      try {
        await server.startAgain();
        return server;
      } catch (error) {
        await server.stop();
        if (port !== undefined || attempts === 0) throw error;
      }
    }
  }

  /** HOST:PORT */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Who signed the server's certificate. */
  get caFile(): string {
    return join(this.#folder, 'vault-ca.pem');
  }

  /** What a vault's config says of this server. */
  get config(): { protocol: string; host: string; port: number } {
    return { protocol: this.#isTls ? 'https' : 'http', host: '127.0.0.1', port: this.port };
  }

  /** After `kill`: at the same address and with the same root token, and with nothing else of what it had. */
  async startAgain(): Promise<void> {
    const missing = noOpenBao();
    if (missing !== undefined) throw new Error(missing);
    const { path } = binary as { path: string };
    const tls = this.#isTls ? ['-dev-tls', `-dev-tls-cert-dir=${this.#folder}`] : [];
    const listen = `-dev-listen-address=${this.address}`;
    const args = ['server', '-dev', '-dev-no-store-token', `-dev-root-token-id=${this.rootToken}`, listen, ...tls];
    const env = { PATH: process.env.PATH ?? '', HOME: this.#folder };
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    process.once('exit', this.#killChild);
    child.stderr.resume();
    let last = '';
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.trim() !== '') last = line;
      const key = /^Unseal Key: (\S+)$/.exec(line)?.[1];
      if (key === undefined) continue;
      this.#unsealKey = key;
      child.stdout.resume();
      return;
    }
    throw new Error(`OpenBao did not start: ${last}`);
  }

  /** Asks the server's API; a body that is a text is sent as it is. @throws Error with its answer where it is none of success */
  async api(method: string, path: string, body?: unknown, options: ApiOptions = {}): Promise<ApiAnswer> {
    const { token = this.rootToken, namespace, wrapTtlSeconds } = options;
    const headers = {
      'x-vault-token': token,
      'content-type': 'application/json',
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
      ...(wrapTtlSeconds !== undefined && { 'x-vault-wrap-ttl': String(wrapTtlSeconds) }),
    };
    const { status, text } = await this.#send(
      method,
      path,
      headers,
      typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body),
    );
    if (status > 299) throw new Error(`${method} ${path}: ${status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as ApiAnswer;
  }

  /** Writes a secret of the engine `secret`, which has versions. */
  async putSecret(path: string, data: unknown, options: ApiOptions = {}): Promise<void> {
    await this.api('POST', `secret/data/${path}`, { data }, options);
  }

  /** A policy that lets read these paths. */
  async policy(name: string, paths: readonly string[], options: ApiOptions = {}): Promise<void> {
    const policy = paths.map((path) => `path "${path}" { capabilities = ["read"] }`).join('\n');
    await this.api('PUT', `sys/policies/acl/${name}`, { policy }, options);
  }

  /** Mounts an authentication method. */
  async enable(method: string, options: ApiOptions = {}): Promise<void> {
    await this.api('POST', `sys/auth/${method}`, { type: method }, options);
  }

  /** A role of approle, whose method is mounted; its role_id is `<name>-id`. */
  async role(name: string, settings: Record<string, unknown>, options: ApiOptions = {}): Promise<void> {
    await this.api('POST', `auth/approle/role/${name}`, settings, options);
    await this.api('POST', `auth/approle/role/${name}/role-id`, { role_id: `${name}-id` }, options);
  }

  async secretId(role: string, options: ApiOptions = {}): Promise<string> {
    const { data } = await this.api('POST', `auth/approle/role/${role}/secret-id`, {}, options);
    return data!.secret_id as string;
  }

  /** A token that wraps a secret_id. */
  async wrappedSecretId(role: string, options: ApiOptions = {}): Promise<string> {
    const wrapping = { wrapTtlSeconds: 300, ...options };
    const answer = await this.api('POST', `auth/approle/role/${role}/secret-id`, {}, wrapping);
    return answer.wrap_info!.token;
  }

  /** A token with these policies. */
  async token(settings: Record<string, unknown>): Promise<string> {
    return (await this.api('POST', 'auth/token/create', settings)).auth!.client_token;
  }

  /** Revokes every token that was had by logins of a method. */
  async revokeLogins(method: string): Promise<void> {
    await this.api('PUT', `sys/leases/revoke-prefix/auth/${method}`);
  }

  async seal(): Promise<void> {
    await this.api('PUT', 'sys/seal');
  }

  async unseal(): Promise<void> {
    await this.api('PUT', 'sys/unseal', { key: this.#unsealKey });
  }

  /** As `unseal`, and waits until it serves again. @throws Error where it does not in time */
  async unsealed(): Promise<void> {
    await this.unseal();
    const serves = async () => (await this.#send('GET', 'sys/health', {}, '')).status === 200;
    await until('OpenBao serves', serves, SERVES_WITHIN_MS);
  }

  /** It answers nothing and closes nothing, until `resume`. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Ends the process; its address is free. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    process.off('exit', this.#killChild);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    if (existsSync(this.#folder)) rmSync(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  readonly #killChild = () => {
    this.#child?.kill('SIGKILL');
  };

  #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const where = { method, host: '127.0.0.1', port: this.port, path: `/v1/${path}`, headers, agent: false };
      const call = this.#isTls ? httpsRequest({ ...where, ca: readFileSync(this.caFile) }) : httpRequest(where);
      call.once('error', reject);
      call.once('response', (response) => {
        response.setEncoding('utf8');
        let text = '';
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.once('error', reject);
      });
      call.end(body);
    });
  }
}
