import type { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { buildQueryString, type HttpHandler, type HttpRequest, HttpResponse } from '@smithy/core/protocols';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { isAwsDefault } from '@vaultplane/model/upstream-policy/default-hosts.ts';
import { OWN_GUARD, type UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import { abortAfter } from '@vaultplane/platform/time/clock.ts';
import type { BackendContext } from '../backend.ts';
import { Agents } from '../http/agents.ts';
import { AnswerBudget } from '../http/answer-budget.ts';
import {
  exchange,
  type HttpAnswer,
  type HttpLimits,
  type HttpTarget,
  type HttpRequest as PlainRequest,
} from '../http/http-exchange.ts';
import { OwnAddress } from '../http/own-address.ts';
import { AwsClock } from './aws-clock.ts';
import { giveSdkAHome } from './home.ts';

type Handle = HttpHandler['handle'];

/** A value has at most 64 KiB, which JSON's escapes may make six times as long. Answers of STS are smaller. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Twenty values; and a hundred secrets, each with 50 tags of up to 384 characters and a description of 2048. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

/** The kept-alive connections of all AWS clients of one program, and whom they trust. */
export class AwsConnections {
  readonly clock = new AwsClock();
  /** For what this machine asks for itself, as for its credentials. */
  readonly handler: HttpHandler;
  readonly #context: BackendContext;
  readonly #own: OwnAddress;
  readonly #agents: Agents;

  constructor(context: BackendContext) {
    giveSdkAHome();
    this.#context = context;
    this.#own = new OwnAddress(context);
    this.#agents = new Agents(context);
    this.handler = this.handlerFor(OWN_GUARD);
  }

  /**
   * For clients whose answers are small; whoever sets no signal is given up after the deadline of a whole call.
   *
   * @param guard asked before each request leaves, wherever the SDK sends it
   */
  handlerFor(guard: UpstreamGuard): HttpHandler {
    return sdkHandler((request, options) => this.#send(request, options, guard));
  }

  /**
   * For S3's client, which takes bodies as streams only. Its objects are counted apart from answers with secrets.
   *
   * @param maxBytes of one object, and of all under way together
   */
  objectHandler(maxBytes: number): HttpHandler {
    const limits = { answer: maxBytes, budget: new AnswerBudget(maxBytes) };
    return sdkHandler(async (request, options) => {
      const { response } = await this.#send(request, options, OWN_GUARD, limits);
      response.body = Readable.from([response.body]);
      return { response };
    });
  }

  stop(): void {
    this.#agents.stop();
  }

  /**
   * Asks an endpoint of this machine's, such as its metadata service, for what it needs itself.
   *
   * @throws Error of the connection, with its `code`; BackendError unavailable
   */
  async ask(request: PlainRequest & { url: URL }, signal: AbortSignal): Promise<HttpAnswer> {
    const { protocol, hostname, port, pathname, search } = request.url;
    const url = targetOf(protocol, hostname, port === '' ? undefined : Number(port), pathname + search);
    const agent = this.#agents.of(url, 'own', { isLocal: true });
    return this.#exchange({ ...request, url }, OWN_GUARD, { answer: MAX_ANSWER_BYTES }, signal, agent);
  }

  /** The answer is read to its end before the SDK has it, which takes longer over a stream than over all the rest of it. */
  async #send(
    request: HttpRequest,
    { abortSignal }: Parameters<Handle>[1] = {},
    guard: UpstreamGuard,
    limits: Pick<HttpLimits, 'answer' | 'budget'> = { answer: maxBytesOf(request) },
  ): ReturnType<Handle> {
    const { method, protocol, hostname, port, path, query, headers, body } = request;
    const search = buildQueryString(query);
    const url = targetOf(protocol, hostname, port, search === '' ? path : `${path}?${search}`);
    const signal = (abortSignal as AbortSignal | undefined) ?? abortAfter(this.#context.deadlines.total);
    const answer = await this.#exchange({ method, url, headers, body }, guard, limits, signal);
    if (mayTellTime(guard, url)) this.clock.learn(answer.headers);
    return { response: new HttpResponse({ statusCode: answer.status, headers: textsOf(answer), body: answer.body }) };
  }

  async #exchange(
    request: PlainRequest & { url: HttpTarget },
    guard: UpstreamGuard,
    limits: Pick<HttpLimits, 'answer' | 'budget'>,
    signal: AbortSignal,
    agent?: Agent,
  ): Promise<HttpAnswer> {
    const { host, port } = request.url;
    if (this.#own.mayBeAt(port)) await this.#refuseOwn(host, port);
    const origin = guard.check(request.url);
    const { connect } = this.#context.deadlines;
    return exchange(request, agent ?? this.#agents.of(request.url, origin), { connect, ...limits }, signal);
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
      `the AWS endpoint ${shownName(hostname)}:${port} is this program's own api_listen, so it would ask itself; ` +
        'AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER or endpoint_url must lead to AWS',
    );
  }
}

/** As the SDK's clients take one; they are not to destroy what they share. */
function sdkHandler(handle: Handle): HttpHandler {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    handle,
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

/** Another's server, to which only the word of a control plane leads, tells this machine no time. */
function mayTellTime({ origin }: UpstreamGuard, { protocol, host, port }: HttpTarget): boolean {
  return origin === 'own' || isAwsDefault({ protocol: protocol === 'https:' ? 'https' : 'http', host, port });
}

function maxBytesOf({ headers }: HttpRequest): number {
  const target = headers['x-amz-target'] ?? '';
  return /\.(?:BatchGetSecretValue|ListSecrets)$/.test(target) ? MAX_BATCH_BYTES : MAX_ANSWER_BYTES;
}

function targetOf(protocol: string, hostname: string, port: number | undefined, path: string): HttpTarget {
  const isSecure = protocol === 'https:';
  return {
    protocol: isSecure ? 'https:' : 'http:',
    host: withoutBrackets(hostname),
    port: port ?? (isSecure ? 443 : 80),
    path,
  };
}

function textsOf({ headers }: { headers: NodeJS.Dict<string | string[]> }): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) texts[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return texts;
}
