import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { type PlaceUrl, printPlaceUrl } from '@vaultplane/model/settings/place-url.ts';
import { withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import type { BackendContext } from '../backend.ts';
import { Agents } from '../http/agents.ts';
import { AnswerBudget } from '../http/answer-budget.ts';
import { exchange, type HttpAnswer, type HttpLimits } from '../http/http-exchange.ts';
import { LARGEST_DOCUMENT_BYTES, type Place, PlaceError, placeError } from './place.ts';

/** Milliseconds for a connection: nobody waits for a document as for a secret. */
const CONNECT_MS = 10_000;

/** What is at an https URL: read by GET, written by PUT; a user and password of the URL go as Basic authorization. */
export class HttpsPlace implements Place {
  readonly name: string;
  readonly #url: URL;
  readonly #agents: Agents;
  readonly #limits: HttpLimits = {
    connect: CONNECT_MS,
    answer: LARGEST_DOCUMENT_BYTES,
    budget: new AnswerBudget(2 * LARGEST_DOCUMENT_BYTES),
  };

  constructor(url: Extract<PlaceUrl, { scheme: 'https' }>, context: BackendContext) {
    this.name = printPlaceUrl(url);
    this.#url = url.url;
    this.#agents = new Agents({ ...context, deadlines: { connect: CONNECT_MS } });
  }

  async read(signal: AbortSignal): Promise<Buffer | undefined> {
    const answer = await this.#send('GET', undefined, signal);
    if (answer.status === 404 || answer.status === 410) return undefined;
    this.#requireSuccess(answer);
    return answer.body;
  }

  async write(document: Buffer, signal: AbortSignal): Promise<void> {
    this.#requireSuccess(await this.#send('PUT', document, signal));
  }

  stop(): void {
    this.#agents.stop();
  }

  #requireSuccess({ status }: HttpAnswer): void {
    if (status < 200 || status >= 300) throw new PlaceError(`${this.name}: it answered HTTP ${status}`);
  }

  /** @throws PlaceError */
  async #send(method: 'GET' | 'PUT', body: Buffer | undefined, signal: AbortSignal): Promise<HttpAnswer> {
    const { username, password, hostname, port, pathname, search } = this.#url;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const headers: Record<string, string> = {
      ...(body && { 'content-type': 'application/octet-stream', 'content-length': String(body.length) }),
      ...(username !== '' && { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
    };
    const host = withoutBrackets(hostname);
    const url = { protocol: 'https:', host, port: Number(port) || 443, path: pathname + search } as const;
    try {
      const agent = this.#agents.of(url, 'own');
      return await exchange({ method, url, headers, ...(body && { body }) }, agent, this.#limits, signal);
    } catch (error) {
      if (signal.aborted) throw new PlaceError(`${this.name}: no answer in time`);
      if (error instanceof BackendError) {
        throw new PlaceError(`${this.name}: ${error.message.replace(/^an answer /, '')}`, { cause: error });
      }
      return placeError(this.name, error);
    }
  }
}
