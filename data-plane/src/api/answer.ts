import type { ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import { MethodNotAllowed } from './guards.ts';

/** The body of an error (CONTRACT.md §6). */
export interface ErrorBody {
  code: string;
  message: string;
  reference?: string;
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, 'application/json', JSON.stringify(body));
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text);
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

/** The error as the application sees it. What is no error of the contract is logged, and shown as no more than `internal`. */
export function asVaultplaneError(error: unknown, log: Log): VaultplaneError {
  if (error instanceof VaultplaneError) return error;
  log.error({ error: error instanceof Error ? (error.stack ?? error.message) : 'not an Error' }, 'a call failed');
  return new VaultplaneError('internal', 'an error in vaultplane; its log says more');
}

export function errorBody(error: VaultplaneError, reference?: string): ErrorBody {
  return { code: error.code, message: error.message, ...(reference !== undefined && { reference }) };
}

/** Answers with an error: the one place where errors become HTTP. */
export function sendError(
  response: ServerResponse,
  error: VaultplaneError,
  options: { reference?: string | undefined; asText?: boolean } = {},
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof MethodNotAllowed) response.setHeader('allow', error.allowed.join(', '));
  if (error.status === 503) response.setHeader('retry-after', Math.max(1, Math.ceil(error.retryAfterSeconds ?? 1)));
  // A body that was not read to its end would be taken for the next request.
  if (error.status === 413) response.setHeader('connection', 'close');
  if (options.asText) sendText(response, error.status, error.message);
  else sendJson(response, error.status, { error: errorBody(error, options.reference) });
}
