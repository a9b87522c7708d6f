import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { getCACertificates } from 'node:tls';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { type Address, isLoopback, parseAddress } from '../../settings.ts';
import { type BackendContext, BackendError } from '../backend.ts';

type Handle = NodeHttpHandler['handle'];

/** Connections at once to one host. AWS's SDK has 50 too. */
const MAX_SOCKETS = 50;

/** The kept-alive connections of all AWS clients of one program, and whom they trust. */
export class AwsConnections {
  readonly handler: NodeHttpHandler;
  readonly #ownListen: Address | undefined;

  constructor(context: BackendContext) {
    this.#ownListen = context.ownListen === undefined ? undefined : parseAddress(context.ownListen);
    // Given as a function so that certificates are read at the first call, not at the start.
    this.handler = new NodeHttpHandler(async () => ({
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
      httpsAgent: new HttpsAgent({
        keepAlive: true,
        maxSockets: MAX_SOCKETS,
        ca: trustedCertificates(context.trustedCertificates),
      }),
      connectionTimeout: context.deadlines.connect,
      requestTimeout: context.deadlines.total,
      throwOnRequestTimeout: true,
    }));
    const send: Handle = this.handler.handle.bind(this.handler);
    this.handler.handle = async (request, options) => {
      await this.#refuseOwn(request.hostname, request.port ?? (request.protocol === 'https:' ? 443 : 80));
      return send(request, options);
    };
  }

  /**
   * A program that asks itself waits for ever. This is checked where the request leaves, because an endpoint may also
   * come from the AWS SDK's own files.
   *
   * @throws BackendError unavailable
   */
  async #refuseOwn(hostname: string, port: number): Promise<void> {
    const own = this.#ownListen;
    if (own === undefined || port !== own.port) return;
    const host = hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
    if (!addresses.some((address) => reaches(address, own))) return;
    throw new BackendError(
      'unavailable',
      `the AWS endpoint ${hostname}:${port} is this program's own api_listen, so it would ask itself; ` +
        'AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER or endpoint_url must lead to AWS',
    );
  }

  stop(): void {
    this.handler.destroy();
  }
}

function reaches(address: string, own: Address): boolean {
  if (address === own.host) return true;
  if (own.host === 'localhost') return isLoopback({ host: address, port: own.port });
  if (own.host !== '0.0.0.0' && own.host !== '::') return false;
  return (
    isLoopback({ host: address, port: own.port }) ||
    Object.values(networkInterfaces()).some((list) => list?.some((local) => local.address === address))
  );
}

/** Connections to what is no AWS service, and trusts the same. @throws BackendError unavailable where a file can't be read */
export function trustingAgent(sources: readonly string[]): HttpsAgent {
  return new HttpsAgent({ keepAlive: true, ca: trustedCertificates(sources) });
}

/** @throws BackendError unavailable where a file can't be read */
function trustedCertificates(sources: readonly string[]): string[] {
  const trusted = new Set<string>();
  for (const source of sources) {
    if (source === 'system') {
      // The system's store may be empty, as in small containers; then Node.js's own list is what people expect.
      for (const kind of ['default', 'system'] as const) for (const pem of getCACertificates(kind)) trusted.add(pem);
      continue;
    }
    try {
      trusted.add(readFileSync(source, 'utf8'));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
      throw new BackendError('unavailable', `ssl_trusted_certificate: ${source} can't be read (${code})`);
    }
  }
  return [...trusted];
}
