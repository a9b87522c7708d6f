import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { lookup } from '../names/lookup.ts';
import { type Origin, PUSHED_CONNECTIONS } from '../upstream-policy/guard.ts';
import { trustedCertificates } from './trusted-certificates.ts';

/** Connections at once to one host. AWS's SDK has 50 too. */
const MAX_SOCKETS = 50;

/** What differs between connections on the node's own word and on a pushed one. */
export function connectionOptions(origin: Origin) {
  return { keepAlive: true, maxSockets: MAX_SOCKETS, lookup, ...(origin === 'pushed' && PUSHED_CONNECTIONS) };
}

/**
 * Kept-alive connections. Those on a pushed word are apart from the node's own, so that none goes over a connection that it
 * could not have opened.
 */
export class Agents {
  readonly #trusted: readonly string[];
  readonly #http = {
    own: new HttpAgent(connectionOptions('own')),
    pushed: new HttpAgent(connectionOptions('pushed')),
  };
  readonly #https = new Map<Origin, HttpsAgent>();

  /** @param trusted `system` and/or PEM files */
  constructor(trusted: readonly string[]) {
    this.#trusted = trusted;
  }

  /** @throws BackendError unavailable where the files that say whom to trust can't be read */
  of(protocol: string, origin: Origin): HttpAgent {
    if (protocol !== 'https:') return this.#http[origin];
    // Made at the first call: whoever asks nobody reads no certificates.
    const agent =
      this.#https.get(origin) ??
      new HttpsAgent({ ...connectionOptions(origin), ca: trustedCertificates(this.#trusted) });
    this.#https.set(origin, agent);
    return agent;
  }

  /** The files that say whom to trust may be others by the next call. */
  readTrustAgain(): void {
    this.#https.clear();
  }

  stop(): void {
    for (const agent of [...Object.values(this.#http), ...this.#https.values()]) agent.destroy();
  }
}
