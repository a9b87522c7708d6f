import { createHash } from 'node:crypto';
import type { Carried } from '@vaultplane/model/upstream-policy/carried.ts';
import { OWN_GUARD, PushedGuard, type UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { isCredentialReference } from '@vaultplane/model/vaults/credential-elsewhere.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { googleCarries } from '@vaultplane/model/vaults/gcp-uses.ts';
import type { BackendContext, BackendFamily, Caller, Opening, SecretBackend } from '../backend.ts';
import { withinDeadline } from '../http/deadline.ts';
import { GoogleConnections } from './connections.ts';
import {
  configuredCredentials,
  findCredentials,
  type GoogleCredentials,
  type SourceContext,
} from './credential-sources.ts';
import { MetadataServer } from './metadata-server.ts';
import { SecretManagerBackend } from './secret-manager.ts';
import { Tokens } from './tokens.ts';

const ENDPOINT = 'https://secretmanager.googleapis.com';
/** Vaults with a key of their own whose tokens are kept; what was opened longest ago goes first. */
const MOST_KEYS = 100;

/** Vaults of type `gcp` of one program: one chain of credentials, one pool of connections. */
class GcpFamily implements BackendFamily {
  readonly #context: BackendContext;
  readonly #connections: GoogleConnections;
  readonly #metadata: MetadataServer;
  readonly #local: Tokens;
  /** Of vaults with a key of their own, by the key's digest and on whose word it is used. */
  readonly #ofKeys = new Map<string, Tokens>();
  readonly #stop = new AbortController();

  constructor(context: BackendContext) {
    this.#context = context;
    this.#connections = new GoogleConnections(context);
    this.#metadata = new MetadataServer(this.#connections, context);
    let source = '';
    this.#local = this.#tokens(async (sources) => {
      const found = await findCredentials(sources);
      if (found.source !== source) {
        source = found.source;
        context.log.info({ source, email: found.email, project: found.projectId }, 'Google credentials found');
      }
      return found;
    });
  }

  async open(config: VaultConfig, opening: Opening): Promise<SecretBackend> {
    const { endpoint_url: endpoint, project_id: project } = config;
    return new SecretManagerBackend({
      endpoint: typeof endpoint === 'string' ? endpoint.replace(/\/+$/, '') : ENDPOINT,
      atEndpoint: typeof endpoint === 'string',
      project: typeof project === 'string' ? project : null,
      tokens: this.#tokensOf(config, opening),
      guard: this.#guardOf(opening, googleCarries((opening.given ?? config).service_account)),
      connections: this.#connections,
      context: this.#context,
    });
  }

  /** The service account and the project that vaults of this configuration are asked as. */
  async caller(config: VaultConfig, opening: Opening): Promise<Caller> {
    const { source, email, projectId } = await this.#tokensOf(config, opening).get();
    const project = typeof config.project_id === 'string' ? config.project_id : projectId;
    return { source, account: project ?? 'unknown', accountKind: 'project', arn: email };
  }

  stop(): void {
    this.#stop.abort();
    this.#connections.stop();
  }

  #tokensOf({ service_account: key }: VaultConfig, opening: Opening): Tokens {
    if (typeof key !== 'string') return this.#local;
    const request: Carried = { kind: 'token_request', ...referenceIn(opening.given) };
    const guard = this.#guardOf(opening, [request]);
    const digest = createHash('sha256').update(key).digest('base64');
    const known = JSON.stringify([opening.origin, request, digest]);
    const tokens = this.#ofKeys.get(known) ?? this.#tokens((sources) => configuredCredentials(key, sources, guard));
    this.#ofKeys.delete(known);
    this.#ofKeys.set(known, tokens);
    const [oldest] = this.#ofKeys.keys();
    if (this.#ofKeys.size > MOST_KEYS && oldest !== undefined) this.#ofKeys.delete(oldest);
    return tokens;
  }

  #guardOf({ origin }: Opening, carries: readonly Carried[]): UpstreamGuard {
    if (origin === 'own') return OWN_GUARD;
    return new PushedGuard({ type: 'gcp', carries, policy: this.#context.upstreamPolicy });
  }

  /** Had for all who wait for them: whoever gives up ends nobody's but their own waiting. */
  #tokens(find: (sources: SourceContext) => Promise<GoogleCredentials>): Tokens {
    const { env, deadlines } = this.#context;
    const call = {
      subject: 'Google credentials',
      target: 'their source',
      deadline: deadlines.total,
      signal: this.#stop.signal,
    };
    const parts = { env, connections: this.#connections, metadata: this.#metadata };
    return new Tokens(() => withinDeadline(call, (signal) => find({ ...parts, signal })));
  }
}

/** The reference that a key of a vault was looked up by. */
function referenceIn(given: VaultConfig | undefined): { reference?: string } {
  const key = given?.service_account;
  return typeof key === 'string' && isCredentialReference(key) ? { reference: key } : {};
}

export function startFamily(context: BackendContext): BackendFamily {
  return new GcpFamily(context);
}
