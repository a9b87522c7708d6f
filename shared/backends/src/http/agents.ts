import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { type Origin, PUSHED_CONNECTIONS } from '@vaultplane/model/upstream-policy/guard.ts';
import { lookup } from '@vaultplane/platform/names/lookup.ts';
import type { BackendContext } from '../backend.ts';
import { ForwardingAgent, TunnellingAgent } from '../proxies/agents.ts';
import { BadProxy, type NamedProxy, Proxies, type ProxyTarget } from '../proxies/proxies.ts';
import { trustedCertificates } from './trusted-certificates.ts';

/** Connections at once to one host. AWS's SDK has 50 too. */
const MAX_SOCKETS = 50;

/** What differs between connections on the node's own word and on a pushed one. */
export function connectionOptions(origin: Origin) {
  return { keepAlive: true, maxSockets: MAX_SOCKETS, lookup, ...(origin === 'pushed' && PUSHED_CONNECTIONS) };
}

/** What connections of one program are made by. */
export type AgentsContext = Pick<BackendContext, 'trustedCertificates' | 'env' | 'proxies'> & {
  deadlines: Pick<BackendContext['deadlines'], 'connect'>;
};

/**
 * Kept-alive connections, directly or through the proxies that the environment names. Those on a pushed word are apart from
 * the node's own, so that none goes over a connection that it could not have opened.
 */
export class Agents {
  readonly #context: AgentsContext;
  readonly #proxies: Proxies;
  readonly #agents = new Map<string, HttpAgent>();

  constructor(context: AgentsContext) {
    this.#context = context;
    this.#proxies = context.proxies ?? new Proxies(context.env);
  }

  /**
   * @param target where the call goes
   * @param options `isLocal`: it is a service of this machine's, such as a metadata service, which no proxy is asked for
   * @throws BackendError unavailable where the files that say whom to trust can't be read, or a proxy's URL is wrong
   */
  of(target: ProxyTarget, origin: Origin, { isLocal = false } = {}): HttpAgent {
    const proxy = isLocal ? undefined : this.#proxyOf(target);
    const key = `${target.protocol} ${origin} ${proxy?.url.href ?? ''}`;
    // Made at the first call: whoever asks nobody reads no certificates.
    const agent = this.#agents.get(key) ?? this.#newAgent(target.protocol, origin, proxy);
    this.#agents.set(key, agent);
    return agent;
  }

  /**
   * An agent for one destination alone.
   *
   * @param material what TLS shows and trusts there
   */
  oneFor(target: ProxyTarget, origin: Origin, material: () => SecureContextOptions): HttpAgent {
    return this.#newAgent(target.protocol, origin, this.#proxyOf(target), material);
  }

  /** The files that say whom to trust may be others by the next call. */
  readTrustAgain(): void {
    for (const key of this.#agents.keys()) if (key.startsWith('https:')) this.#agents.delete(key);
  }

  stop(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #newAgent(
    protocol: string,
    origin: Origin,
    proxy: NamedProxy | undefined,
    material: () => SecureContextOptions = this.#material,
  ): HttpAgent {
    const { connect } = this.#context.deadlines;
    const through = proxy && { proxy, connectMs: connect, ca: () => this.#material().ca };
    if (protocol !== 'https:') {
      const options = connectionOptions(origin);
      return through ? new ForwardingAgent(options, through) : new HttpAgent(options);
    }
    const options = { ...connectionOptions(origin), ...material() };
    return through ? new TunnellingAgent(options, through) : new HttpsAgent(options);
  }

  readonly #material = () => ({ ca: trustedCertificates(this.#context.trustedCertificates) });

  #proxyOf(target: ProxyTarget): NamedProxy | undefined {
    try {
      return this.#proxies.of(target);
    } catch (error) {
      if (error instanceof BadProxy) throw new BackendError('unavailable', error.message);
      throw error;
    }
  }
}
