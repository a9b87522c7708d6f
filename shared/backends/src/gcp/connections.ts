import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import { Agents } from '../http/agents.ts';
import { isAboutTrust } from '../http/connection-problem.ts';
import { exchange, type HttpAnswer, type HttpRequest } from '../http/http-exchange.ts';
import { OwnAddress } from '../http/own-address.ts';

/** A value has at most 64 KiB; tokens and metadata are small. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** The kept-alive connections of all gcp vaults of one program, and whom they trust. */
export class GoogleConnections {
  readonly #context: BackendContext;
  readonly #own: OwnAddress;
  readonly #agents: Agents;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#own = new OwnAddress(context);
    this.#agents = new Agents(context);
  }

  /**
   * @param guard asked before the request leaves
   * @param options `maxBytes` of the answer; `isLocal`: the metadata service is asked, which no proxy stands before
   * @throws Error of the connection, with its `code`; BackendError unavailable, PolicyRefusal
   */
  async send(
    request: HttpRequest & { url: URL },
    guard: UpstreamGuard,
    signal: AbortSignal,
    { maxBytes = MAX_ANSWER_BYTES, isLocal = false }: { maxBytes?: number | undefined; isLocal?: boolean } = {},
  ): Promise<HttpAnswer> {
    const { hostname, protocol } = request.url;
    const secure = protocol === 'https:';
    const port = Number(request.url.port) || (secure ? 443 : 80);
    if (await this.#own.isAt(hostname, port)) {
      throw new BackendError(
        'unavailable',
        `${shownName(hostname)}:${port} is this program's own api_listen, so it would ask itself; endpoint_url must lead to Google`,
      );
    }
    const limits = { connect: this.#context.deadlines.connect, answer: maxBytes };
    const target = { protocol, host: hostname, port };
    const origin = guard.check(target);
    const agent = this.#agents.of(target, origin, { isLocal });
    try {
      return await exchange(request, agent, limits, signal);
    } catch (error) {
      if (isAboutTrust(error)) this.#agents.readTrustAgain();
      throw error;
    }
  }

  stop(): void {
    this.#agents.stop();
  }
}
