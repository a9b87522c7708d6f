import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { type BackendContext, BackendError } from '../backend.ts';
import { OwnAddress } from '../own-address.ts';
import { trustedCertificates } from '../trusted-certificates.ts';

type Handle = NodeHttpHandler['handle'];

/** Connections at once to one host. AWS's SDK has 50 too. */
const MAX_SOCKETS = 50;

/** The kept-alive connections of all AWS clients of one program, and whom they trust. */
export class AwsConnections {
  readonly handler: NodeHttpHandler;
  readonly #own: OwnAddress;

  constructor(context: BackendContext) {
    this.#own = new OwnAddress(context);
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
      const port = request.port ?? (request.protocol === 'https:' ? 443 : 80);
      if (this.#own.mayBeAt(port)) await this.#refuseOwn(request.hostname, port);
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
    if (!(await this.#own.isAt(hostname, port))) return;
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
