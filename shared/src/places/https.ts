import type { IncomingMessage } from 'node:http';
import { type Agent, request } from 'node:https';
import type { BackendContext } from '../backends/backend.ts';
import { trustingAgent } from '../backends/trusted-certificates.ts';
import { withoutBrackets } from '../settings.ts';
import { LARGEST_DOCUMENT_BYTES, type Place, PlaceError, placeError, tooLarge } from './place.ts';
import { type PlaceUrl, printPlaceUrl } from './place-url.ts';

/** What is at an https URL: read by GET, written by PUT; a user and password of the URL go as Basic authorization. */
export class HttpsPlace implements Place {
  readonly name: string;
  readonly #url: URL;
  readonly #context: BackendContext;
  #agent: Agent | undefined;

  constructor(url: Extract<PlaceUrl, { scheme: 'https' }>, context: BackendContext) {
    this.name = printPlaceUrl(url);
    this.#url = url.url;
    this.#context = context;
  }

  async read(signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      const answer = await this.#send('GET', undefined, signal);
      if (answer.statusCode === 404 || answer.statusCode === 410) {
        answer.resume();
        return undefined;
      }
      this.#requireSuccess(answer);
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > LARGEST_DOCUMENT_BYTES) throw tooLarge(this.name);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      return placeError(this.name, error);
    }
  }

  async write(document: Buffer, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#send('PUT', document, signal);
      answer.resume();
      this.#requireSuccess(answer);
    } catch (error) {
      placeError(this.name, error);
    }
  }

  stop(): void {
    this.#agent?.destroy();
  }

  #requireSuccess(answer: IncomingMessage): void {
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return;
    answer.destroy();
    throw new PlaceError(`${this.name}: it answered HTTP ${status}`);
  }

  #send(method: 'GET' | 'PUT', body: Buffer | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    this.#agent ??= trustingAgent(this.#context.trustedCertificates);
    const { username, password } = this.#url;
    const auth = username === '' ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const headers = body && { 'content-type': 'application/octet-stream', 'content-length': body.length };
    const { hostname, port, pathname, search } = this.#url;
    const host = withoutBrackets(hostname);
    return new Promise((resolve, reject) => {
      const options = { method, host, port: port || 443, path: pathname + search, agent: this.#agent, signal };
      const call = request({ ...options, ...(headers && { headers }), ...(auth !== undefined && { auth }) }, resolve);
      call.once('error', (error) => reject(signal.aborted ? new PlaceError(`${this.name}: no answer in time`) : error));
      call.end(body);
    });
  }
}
