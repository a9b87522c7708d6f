import type { IncomingHttpHeaders } from 'node:http';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { FreshRuns } from '@vaultplane/platform/files/fresh-runs.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { WrongTokens } from '../limits/wrong-tokens.ts';
import { Client, type Grant } from './client.ts';
import { readPolicies } from './policies-file.ts';
import { ensureApiToken, filePathOf, isToken, readTokenFile, tokenDigest } from './token.ts';
import { isWeakToken } from './token-strength.ts';

/** Where a call may carry the token, beside `Authorization: Bearer` (specification.md §6). */
const TOKEN_HEADERS = ['x-aws-parameters-secrets-token', 'x-vault-token'] as const;
/** How often the files are looked at, milliseconds. */
const LOOK_EVERY_MS = 1000;
/** A token that was replaced is taken for so long still, so that applications can take up the new one in peace. */
export const OVERLAP_MS = 600_000;

/** Tokens of which the grant is remembered. */
const MOST_SHOWN = 256;

/** The name of whoever has the token of api_token_file; no policy can have it. */
const OWNER = '(api_token_file)';

export interface AccessOptions {
  /** api_token_file; made where it is missing. */
  tokenFile: string;
  /** api_policies. */
  policiesFile?: string | undefined;
  /** AWS's provider's variable for its token, or for `file:` and the file with it: taken beside api_token_file. */
  awsToken?: string | undefined;
  clock: Clock;
  log: Log;
}

/** Who may call, and what they may read: the tokens of api_token_file and of api_policies, as the files now say. */
export class Access {
  readonly #options: AccessOptions;
  /** Another number whenever any token gives something else than before. */
  generation = 0;
  readonly wrongTokens: WrongTokens;
  /** By the digest of the token. */
  #grants = new Map<string, Grant>();
  /** Of tokens that were found lately: an application shows the same one with every call, and a digest is a good part of one. */
  readonly #shown = new Map<string, Grant>();
  /** Digests of tokens that were warned of. */
  readonly #weak = new Set<string>();
  /** What changed meanwhile is read anew; the same fault is told once. */
  #lastFault = '';
  readonly #owner: Client;
  readonly #listeners = new Set<() => void>();
  #cancel = () => {};
  readonly #looks = new FreshRuns(() => this.#lookNow());
  #stopped = false;

  private constructor(options: AccessOptions) {
    this.#options = options;
    this.wrongTokens = new WrongTokens(options.clock);
    this.#owner = new Client(options.clock, OWNER, null);
  }

  /** @throws StartError */
  static async open(options: AccessOptions): Promise<Access> {
    const access = new Access(options);
    await ensureApiToken(options.tokenFile, options.log);
    access.#grants = await access.#read();
    access.#arm();
    return access;
  }

  /** Calls back whenever a token is no longer taken, or allows something else. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /**
   * What a call's token gives; undefined where it carries none that is taken.
   *
   * @param sessionToken whether AWS's header for a session token counts too
   */
  grantOf(headers: IncomingHttpHeaders, sessionToken = false): Grant | undefined {
    for (const name of TOKEN_HEADERS) {
      const sent = headers[name];
      const grant = typeof sent === 'string' ? this.#find(sent) : undefined;
      if (grant) return grant;
    }
    const { authorization } = headers;
    if (authorization !== undefined && /^bearer /i.test(authorization)) {
      const grant = this.#find(authorization.slice(7).trim());
      if (grant) return grant;
    }
    const session = sessionToken ? headers['x-amz-security-token'] : undefined;
    return typeof session === 'string' ? this.#find(session) : undefined;
  }

  /** Whether a call carries any token, right or wrong. */
  isTokenShown(headers: IncomingHttpHeaders, sessionToken = false): boolean {
    const { authorization = '' } = headers;
    if (TOKEN_HEADERS.some((name) => headers[name]) || /^bearer ./i.test(authorization)) return true;
    return sessionToken && Boolean(headers['x-amz-security-token']);
  }

  /** Whether a grant still is what its token gives. */
  isCurrent(grant: Grant): boolean {
    const now = this.#grants.get(grant.digest);
    return now !== undefined && now.client === grant.client && now.until > this.#options.clock.monotonic();
  }

  /** Looks at the files now. What can't be used is told in the log, and what held before goes on holding. */
  look(): Promise<void> {
    return this.#looks.start();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #find(token: string): Grant | undefined {
    let grant = this.#shown.get(token);
    if (!grant) {
      grant = this.#grants.get(tokenDigest(token));
      if (!grant) return undefined;
      if (this.#shown.size >= MOST_SHOWN) this.#shown.clear();
      this.#shown.set(token, grant);
    }
    return grant.until === Infinity || grant.until > this.#options.clock.monotonic() ? grant : undefined;
  }

  #arm(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => {
      void this.look().finally(() => {
        if (!this.#stopped) this.#arm();
      });
    });
  }

  async #lookNow(): Promise<void> {
    const { clock, log } = this.#options;
    const now = clock.monotonic();
    let next: Map<string, Grant>;
    try {
      next = await this.#read();
      this.#lastFault = '';
    } catch (error) {
      const fault = errorMessage(error);
      if (fault !== this.#lastFault) log.error({ error: fault }, 'the tokens that are taken stay as they were');
      this.#lastFault = fault;
      next = new Map([...this.#grants].filter(([, { until }]) => until === Infinity));
    }
    // An application that is still there may go on with the token that it had; one that is gone may not.
    const clients = new Map([...next.values()].map(({ client }) => [client.name, client]));
    for (const [digest, { client, until }] of this.#grants) {
      const heir = clients.get(client.name);
      if (next.has(digest) || !heir || until <= now) continue;
      next.set(digest, { client: heir, digest, until: until === Infinity ? now + OVERLAP_MS : until });
      if (until === Infinity) {
        log.info(
          { client: client.name, overlap_s: OVERLAP_MS / 1000 },
          'a token was replaced; both are taken for a while',
        );
      }
    }
    const before = this.#grants;
    this.#grants = next;
    const changed = [...before].some(([digest, { client, until }]) => {
      const now = next.get(digest);
      return now?.client !== client || now.until !== until;
    });
    if (!changed && next.size === before.size) return;
    this.generation++;
    this.#shown.clear();
    for (const listener of this.#listeners) listener();
  }

  /** These were there before tokens had to be strong, so that a weak one is no end of a data plane. */
  #digestOf(token: string, setting: string): string {
    const digest = tokenDigest(token);
    if (isWeakToken(token) && !this.#weak.has(digest)) {
      this.#weak.add(digest);
      this.#options.log.warn(
        { setting },
        'a token for application calls is weaker than 128 bits; make another by: openssl rand -base64 32',
      );
    }
    return digest;
  }

  /** @throws StartError */
  async #read(): Promise<Map<string, Grant>> {
    const { tokenFile, policiesFile, awsToken, clock } = this.#options;
    const grants = new Map<string, Grant>();
    const own = await readTokenFile(tokenFile);
    if (own === undefined) throw new StartError(`api_token_file = ${shownPath(tokenFile)} is not there any more`);
    const grant = (digest: string, client: Client) => grants.set(digest, { client, digest, until: Infinity });
    grant(this.#digestOf(own, 'api_token_file'), this.#owner);
    if (awsToken !== undefined && awsToken !== '') {
      grant(this.#digestOf(await readAwsToken(awsToken), 'AWS_TOKEN'), this.#owner);
    }
    if (policiesFile === undefined) return grants;
    const known = new Map([...this.#grants.values()].map(({ client }) => [client.name, client]));
    for (const { name, digest, policy, source } of await readPolicies(policiesFile)) {
      if (grants.has(digest))
        throw new StartError(`api_policies = ${shownPath(policiesFile)}: ${name} has the token of api_token_file`);
      const same = known.get(name);
      grant(digest, same?.policy && same.source === source ? same : new Client(clock, name, policy, source));
    }
    return grants;
  }
}

async function readAwsToken(variable: string): Promise<string> {
  const path = filePathOf(variable);
  if (path === undefined) {
    if (!isToken(variable)) throw new StartError('AWS_TOKEN (not shown) must be a token, or file: and the path of one');
    return variable;
  }
  const token = await readTokenFile(path, 'AWS_TOKEN');
  if (token === undefined) throw new StartError(`AWS_TOKEN = ${shownPath(path)}: there is no such file`);
  return token;
}
