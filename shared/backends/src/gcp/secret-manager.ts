import { isUtf8 } from 'node:buffer';
import { crc32c } from '@aws-crypto/crc32c';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext, FetchedSecret, SecretBackend, SecretTag } from '../backend.ts';
import { inParallel } from '../parallel-jobs.ts';
import { callGoogle } from './call.ts';
import type { GoogleConnections } from './connections.ts';
import type { GoogleCredentials } from './credential-sources.ts';
import { NoAnswer } from './errors.ts';
import { findByLabel } from './labelled.ts';
import type { Tokens } from './tokens.ts';

/** Source: SecretManagerService.CreateSecret. */
const SECRET_ID = /^[A-Za-z0-9_-]{1,255}$/;
/** Calls of one `fetchMany` at once: Secret Manager answers for one secret at a time. */
const CONCURRENCY = 16;

export interface SecretManagerOptions {
  /** Without a trailing slash. */
  endpoint: string;
  /** Whether the vault says the endpoint itself. */
  atEndpoint: boolean;
  /** Null: the project of the credentials. */
  project: string | null;
  tokens: Tokens;
  guard: UpstreamGuard;
  connections: GoogleConnections;
  context: BackendContext;
}

/** Google Secret Manager, in one project, under one identity. */
export class SecretManagerBackend implements SecretBackend {
  readonly scope: string;
  readonly #options: SecretManagerOptions;
  readonly #target: string;

  constructor(options: SecretManagerOptions) {
    this.#options = options;
    const at = options.atEndpoint ? ` at ${shownUrl(options.endpoint)} (endpoint_url)` : '';
    const of = options.project === null ? ", in the credentials' project" : ` in project ${shownName(options.project)}`;
    this.#target = `Google Secret Manager${of}${at}`;
    this.scope = `gcp ${options.project ?? ''} ${options.endpoint}`;
  }

  get description(): string {
    return this.#target;
  }

  async fetch({ path, version }: SecretQuery, signal: AbortSignal): Promise<FetchedSecret> {
    const subject = `secret ${JSON.stringify(path)}`;
    // Such as both segments of a reference: no question to Google, in whose URL they would be another path.
    if (!SECRET_ID.test(path)) {
      throw new BackendError('not_found', `${subject}: not found (names have only letters, digits, - and _)`);
    }
    const wanted = version.id ?? 'latest';
    const call = {
      operation: 'AccessSecretVersion',
      subject,
      ...this.#callOptions(signal),
      urlFor: (credentials: GoogleCredentials) => this.#url(credentials, `/${path}/versions/${wanted}:access`),
    };
    return callGoogle(call, (json) => fetchedFrom(json, { path, wanted, subject, target: this.#target }));
  }

  /** One call a secret; after a call that says that none would be answered, the others are not made. */
  async fetchMany(queries: readonly SecretQuery[], signal: AbortSignal): Promise<Array<FetchedSecret | BackendError>> {
    const keyOf = ({ path, version }: SecretQuery) => JSON.stringify([path, version.id ?? null]);
    const results = new Map<string, FetchedSecret | BackendError>();
    const different = new Map(queries.map((query) => [keyOf(query), query]));
    let outage: BackendError | null = null;
    const jobs = [...different].map(([key, query]) => async () => {
      if (outage !== null) return void results.set(key, outage);
      const begun = performance.now();
      try {
        results.set(key, await this.fetch(query, signal));
      } catch (error) {
        const failed = error as BackendError;
        results.set(key, failed);
        const late = performance.now() - begun >= this.#options.context.deadlines.total;
        if (failed.throttled || failed instanceof NoAnswer || failed.credentialsRefused || late) outage = failed;
      }
    });
    await inParallel(jobs, CONCURRENCY);
    return queries.map((query) => results.get(keyOf(query))!);
  }

  findByTag(tag: SecretTag, signal: AbortSignal): Promise<string[]> {
    const urlFor = (credentials: GoogleCredentials, query: URLSearchParams) =>
      this.#url(credentials, `?${query.toString()}`);
    return findByLabel(tag, { ...this.#callOptions(signal), urlFor });
  }

  #callOptions(signal: AbortSignal) {
    const { tokens, guard, connections, context } = this.#options;
    const { deadlines, counts } = context;
    return { target: this.#target, tokens, guard, connections, deadline: deadlines.total, counts, signal };
  }

  /** @throws BackendError unavailable where no project is known */
  #url(credentials: GoogleCredentials, rest: string): URL {
    const project = this.#options.project ?? credentials.projectId;
    if (project === null) {
      throw new BackendError(
        'unavailable',
        `no Google project is known: set the vault's project_id or vault_gcp_project_id (the credentials from ${credentials.source} name none)`,
      );
    }
    return new URL(`${this.#options.endpoint}/v1/projects/${encodeURIComponent(project)}/secrets${rest}`);
  }
}

/** @throws BackendError unavailable where the answer is none of AccessSecretVersion, or is not as it was sent */
function fetchedFrom(
  { name, payload }: Record<string, unknown>,
  asked: { path: string; wanted: string; subject: string; target: string },
): FetchedSecret {
  const { path, wanted, subject, target } = asked;
  const { data, dataCrc32c } = (payload ?? {}) as { data?: unknown; dataCrc32c?: unknown };
  const parts = typeof name === 'string' ? /^(projects\/[^/]+\/secrets\/([^/]+))\/versions\/(\d+)$/.exec(name) : null;
  const [, lastingName, secret, version] = parts ?? [];
  const isAsked = secret === path && (wanted === 'latest' || wanted === version);
  if (!isAsked || typeof data !== 'string') {
    throw new BackendError('unavailable', `${subject}: ${target} answered without the value that was asked for`);
  }
  const bytes = Buffer.from(data, 'base64');
  if (String(dataCrc32c) !== String(crc32c(bytes))) {
    throw new BackendError(
      'unavailable',
      `${subject}: what ${target} sent does not have the checksum (CRC-32C) that came with it, and is not used`,
    );
  }
  return {
    value: isUtf8(bytes) ? SecretValue.ofText(bytes.toString('utf8')) : SecretValue.ofBinary(bytes),
    version: { id: version!, stages: wanted === 'latest' ? ['latest'] : [] },
    // Only another call, with another permission, would tell.
    createdAt: null,
    arn: lastingName!,
    name: path,
  };
}
