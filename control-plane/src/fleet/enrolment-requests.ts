import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { JOIN_PATH, MAX_ENROLMENT_BYTES, RENEW_PATH, type Refused } from '@vaultplane/model/protocol/enrolment.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { addressKey } from '../admin-api/failed-tries.ts';
import { DatabaseReadOnly, DatabaseUnavailable } from '../store/database.ts';
import { type Enrolment, EnrolmentRefused } from './enrolment.ts';

/** Requests that are worked on at once; further ones are told to come again, as data planes do by themselves. */
const MAX_AT_ONCE = 256;
/** Of one address: whoever guesses tokens there, or sends bodies slowly, keeps no others from joining. */
const MAX_OF_AN_ADDRESS = 64;
/** A body has to be here by then. */
const BODY_WITHIN_MS = 10_000;

/** POST /v1/join and POST /v1/renew on cluster_listen. */
export class EnrolmentRequests {
  readonly #enrolment: Enrolment;
  readonly #log: Log;
  #running = 0;
  readonly #runningOf = new Map<string, number>();

  constructor(enrolment: Enrolment, log: Log) {
    this.#enrolment = enrolment;
    this.#log = log;
  }

  /** Whether it is one of these requests; if so, it is answered. */
  take(request: IncomingMessage, response: ServerResponse, remoteAddress: string | null): boolean {
    const path = request.url?.split('?')[0];
    if (path !== JOIN_PATH && path !== RENEW_PATH) return false;
    void this.#answer(path, request, remoteAddress).then(([status, body]) => {
      if (!response.headersSent) {
        response
          .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' })
          .end(JSON.stringify(body));
      }
      // What has not been read of a body is not waited for.
      response.once('close', () => request.destroy());
    });
    return true;
  }

  async #answer(
    path: string,
    request: IncomingMessage,
    remoteAddress: string | null,
  ): Promise<[status: number, body: unknown]> {
    const from = addressKey(remoteAddress);
    const ofAddress = this.#runningOf.get(from) ?? 0;
    if (this.#running >= MAX_AT_ONCE || ofAddress >= MAX_OF_AN_ADDRESS) {
      return [503, refusal('slow_down', 'too many nodes join at once; try again')];
    }
    this.#running++;
    this.#runningOf.set(from, ofAddress + 1);
    try {
      if (request.method !== 'POST') return [405, refusal('bad_request', 'only POST is known here')];
      const { token, csr } = await readObject(request);
      if (typeof csr !== 'string') return [400, refusal('bad_request', 'csr must be a text: PKCS #10, DER, base64')];
      const der = Buffer.from(csr, 'base64');
      if (path === RENEW_PATH) {
        const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
        return [200, await this.#enrolment.renew(certificate, der, remoteAddress)];
      }
      if (typeof token !== 'string') return [400, refusal('bad_request', 'token must be a text')];
      return [200, await this.#enrolment.join(token, der, remoteAddress)];
    } catch (error) {
      if (error instanceof EnrolmentRefused) {
        this.#log.warn({ ip: remoteAddress, path, code: error.code, reason: error.message }, 'no certificate is made');
        return [error.status, refusal(error.code, error.message)];
      }
      if (error instanceof DatabaseUnavailable) {
        return [
          503,
          refusal(
            'unavailable',
            error instanceof DatabaseReadOnly
              ? "the control plane's database takes no writes; try again"
              : "the control plane's database can't be reached; try again",
          ),
        ];
      }
      this.#log.error({ ip: remoteAddress, path, error: errorMessage(error) }, 'a certificate could not be made');
      return [500, refusal('unavailable', 'the control plane failed to make a certificate')];
    } finally {
      this.#running--;
      const left = this.#runningOf.get(from)! - 1;
      if (left > 0) this.#runningOf.set(from, left);
      else this.#runningOf.delete(from);
    }
  }
}

function refusal(code: Refused['code'], message: string): Refused {
  return { code, message };
}

/** @throws EnrolmentRefused for a body that is too long, too slow, or no object */
async function readObject(request: IncomingMessage): Promise<Record<string, unknown>> {
  const late = setTimeout(() => request.destroy(), BODY_WITHIN_MS);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ENROLMENT_BYTES) throw new EnrolmentRefused('bad_request', 'the body is too long', 413);
      chunks.push(chunk);
    }
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch (error) {
    if (error instanceof EnrolmentRefused) throw error;
  } finally {
    clearTimeout(late);
  }
  throw new EnrolmentRefused('bad_request', 'the body must be a JSON object', 400);
}
