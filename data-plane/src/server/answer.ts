import type { ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { currentRequestId, REQUEST_ID_HEADER } from '@vaultplane/platform/logging/request-id.ts';
import { answerWhileSending } from '@vaultplane/platform/net/request-framing.ts';
import { sourcePositions } from '@vaultplane/platform/source-positions.ts';
import { MethodNotAllowed } from '../limits/guards.ts';

/** The body of an error (specification.md §6). */
export interface ErrorBody {
  code: string;
  message: string;
  reference?: string;
}

/** How a door shows an error; `reference` is the one that was asked for, where it was one. */
export type ErrorForm = (response: ServerResponse, error: VaultplaneError, reference?: string) => void;

export const JSON_TYPE = 'application/json';
export const TEXT_TYPE = 'text/plain; charset=utf-8';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, JSON_TYPE, JSON.stringify(body));
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, TEXT_TYPE, text);
}

export function send(
  response: ServerResponse,
  status: number,
  type: string,
  content: string | Buffer,
  headers: Record<string, string> = {},
): void {
  sendContent(response, contentOf(status, type, content, headers));
}

/** An answer, whoever writes it down. */
export interface Content {
  status: number;
  headers: Record<string, string | number>;
  body: Buffer;
}

export function contentOf(
  status: number,
  type: string,
  content: string | Buffer,
  headers: Record<string, string> = {},
): Content {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  return {
    status,
    headers: {
      'content-type': type,
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body,
  };
}

/** The headers of an answer, and the id of the call that it is to. */
export function withRequestId(headers: Content['headers']): Content['headers'] {
  const id = currentRequestId();
  return id === undefined ? headers : { ...headers, [REQUEST_ID_HEADER]: id };
}

export function sendContent(response: ServerResponse, { status, headers, body }: Content): void {
  response.writeHead(status, withRequestId(headers));
  response.end(body);
}

/** The error as the application sees it. What is no error of the specification is logged, and shown as no more than `internal`. */
export function asVaultplaneError(error: unknown, log: Log): VaultplaneError {
  if (error instanceof VaultplaneError) return error;
  log.error(
    { error: error instanceof Error ? sourcePositions(error.stack ?? error.message) : 'not an Error' },
    'a call failed',
  );
  return new VaultplaneError('internal', 'an error in vaultplane; its log says more');
}

export function errorBody(error: VaultplaneError, reference?: string): ErrorBody {
  return { code: error.code, message: error.message, ...(reference !== undefined && { reference }) };
}

/**
 * The headers that an error of its kind has at every door.
 *
 * @returns false where an answer has begun, which is cut off: nothing can be said any more
 */
export function beginError(response: ServerResponse, error: VaultplaneError): boolean {
  if (response.headersSent) {
    response.destroy();
    return false;
  }
  if (error instanceof MethodNotAllowed) response.setHeader('allow', error.allowed.join(', '));
  if (error.status === 503 || error.status === 429) {
    response.setHeader('retry-after', Math.max(1, Math.ceil(error.retryAfterSeconds ?? 1)));
  }
  if (error.status === 413) answerWhileSending(response.req, response);
  return true;
}

/** Answers with an error in the form of specification.md §6. */
export const sendError: ErrorForm = (response, error, reference) => {
  if (beginError(response, error)) sendJson(response, error.status, { error: errorBody(error, reference) });
};

/** Answers with an error as one line of text, as AWS's provider does. */
export const sendErrorText: ErrorForm = (response, error) => {
  if (!beginError(response, error)) return;
  sendText(response, error.status, error instanceof MethodNotAllowed ? 'Not allowed' : error.message);
};
