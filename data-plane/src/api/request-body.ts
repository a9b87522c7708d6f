import type { IncomingMessage } from 'node:http';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { ByteBudget } from './byte-budget.ts';

/** A thousand of the longest references, with JSON's escapes. */
export const LARGEST_BODY_BYTES = 4 * 1024 * 1024;

/** @throws VaultplaneError unsupported_media_type where a body is not said to be JSON */
export function requireJson({ headers }: IncomingMessage): void {
  if (/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return;
  throw new VaultplaneError('unsupported_media_type', 'the body must be of type application/json');
}

/**
 * Reads a body of JSON.
 *
 * @param budget for the bodies of all calls together
 * @throws VaultplaneError too_large, too_many where other bodies take all the room, or bad_request
 */
export async function readJson(
  request: IncomingMessage,
  budget: ByteBudget,
  mostBytes = LARGEST_BODY_BYTES,
): Promise<unknown> {
  const tooLarge = () => new VaultplaneError('too_large', `the body must be at most ${mostBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (size + chunk.length > mostBytes) throw tooLarge();
      if (!budget.take(chunk.length)) throw new VaultplaneError('too_many', 'too many large bodies at once');
      size += chunk.length;
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    if (error instanceof VaultplaneError) throw error;
    // The parser's own message quotes the body, which is not ours to repeat.
    throw new VaultplaneError('bad_request', 'the body is not JSON');
  } finally {
    budget.give(size);
  }
}
