import type { AgentOptions, ClientRequestArgs, OutgoingHttpHeaders } from 'node:http';
import type { AgentOptions as TlsAgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { lookup } from '@vaultplane/platform/names/lookup.ts';
import { printAddress, withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import { http, https, tls } from '@vaultplane/platform/node-modules.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import { abortAfter } from '@vaultplane/platform/time/clock.ts';
import type { NamedProxy } from './proxies.ts';
import { openTunnel, proxyAuthorization } from './tunnel.ts';

export interface ThroughProxy {
  proxy: NamedProxy;
  /** Milliseconds until there is a connection to the destination. */
  connectMs: number;
  /** PEM: whom a proxy that is spoken to by TLS may be. What a destination trusts or is shown is not the proxy's. */
  ca: () => string[];
}

type Created = (error: Error | null, socket: Duplex) => void;

/**
 * Kept-alive TLS connections to destinations behind a proxy: the proxy sees their names and nothing of what is said. Node.js's
 * own agents for proxies would look up the proxy by dns.lookup, and have no limit of time for the handshake.
 */
export class TunnellingAgent extends https.Agent {
  readonly #through: ThroughProxy;

  constructor(options: TlsAgentOptions, through: ThroughProxy) {
    super(options);
    this.#through = through;
  }

  override createConnection(options: ClientRequestArgs, created?: Created): undefined {
    this.#connect(options).then(
      (socket) => created?.(null, socket),
      (error) => created?.(error, undefined as never),
    );
    return undefined;
  }

  async #connect(options: ClientRequestArgs): Promise<Duplex> {
    const { proxy, connectMs, ca } = this.#through;
    const signal = abortAfter(connectMs);
    const address = { host: withoutBrackets(String(options.host)), port: Number(options.port) };
    const tunnel = await openTunnel(address, proxy.url, {
      signal,
      ...(proxy.url.protocol === 'https:' && { ca: ca() }),
    }).catch((error: unknown) => Promise.reject(proxyFailed(proxy, address, error)));
    const withSocket = { ...options, socket: tunnel } as ClientRequestArgs;
    const connection = super.createConnection(withSocket) as TLSSocket;
    const late = () => connection.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    signal.addEventListener('abort', late, { once: true });
    if (signal.aborted) late();
    try {
      await new Promise<void>((resolve, reject) => {
        connection.once('secureConnect', resolve).once('error', reject);
        connection.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
      });
      return connection;
    } catch (error) {
      tunnel.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', late);
    }
  }
}

/** Kept-alive connections to a proxy that is asked for http destinations. Source: RFC 9112, section 3.2.2 (absolute-form). */
export class ForwardingAgent extends http.Agent {
  readonly #through: ThroughProxy;

  constructor(options: AgentOptions, through: ThroughProxy) {
    super(options);
    this.#through = through;
  }

  /** A request's path and headers, as the proxy is sent them. */
  requestOf(
    { host, port, path }: { host: string; port: number; path: string },
    headers: OutgoingHttpHeaders = {},
  ): { path: string; headers: OutgoingHttpHeaders } {
    const authorization = proxyAuthorization(this.#through.proxy.url);
    return {
      path: `http://${printAddress({ host, port })}${path}`,
      headers: { ...headers, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
    };
  }

  override createConnection(options: ClientRequestArgs, created?: Created): Duplex {
    const { proxy, ca } = this.#through;
    const { url } = proxy;
    const isSecure = url.protocol === 'https:';
    const host = withoutBrackets(url.hostname);
    const port = Number(url.port) || (isSecure ? 443 : 80);
    if (!isSecure) return super.createConnection({ ...options, host, port, lookup }, created) as Duplex;
    return tls.connect({ host, port, lookup, ca: ca(), servername: host } as ConnectionOptions);
  }
}

/** Says that it was the proxy, and not the destination. */
function proxyFailed(
  { url, from }: NamedProxy,
  { host, port }: { host: string; port: number },
  error: unknown,
): BackendError {
  const { code } = error as NodeJS.ErrnoException;
  return new BackendError(
    'unavailable',
    `the proxy ${shownUrl(url.href)} (${from}) does not connect to ${shownName(host)}:${port}: ${code ?? errorMessage(error)}`,
  );
}
