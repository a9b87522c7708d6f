import type { IncomingMessage } from 'node:http';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';

/** A thousand of the longest references, with JSON's escapes. */
export const LARGEST_BODY_BYTES = 4 * 1024 * 1024;

/** @throws VaultplaneError unsupported_media_type, too_large or bad_request */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new VaultplaneError('unsupported_media_type', 'the body must be of type application/json');
  }
  const tooLarge = new VaultplaneError('too_large', `the body must be at most ${LARGEST_BODY_BYTES} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > LARGEST_BODY_BYTES) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY_BYTES) throw tooLarge;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // The parser's own message quotes the body, which is not ours to repeat.
    throw new VaultplaneError('bad_request', 'the body is not JSON');
  }
}
