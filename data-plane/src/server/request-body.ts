import type { IncomingMessage } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { type JsonBounds, overJsonBounds } from '@vaultplane/platform/text/json-bounds.ts';
import { EndOfTurn } from '../fast-path/end-of-turn.ts';
import type { ByteBudget } from '../limits/byte-budget.ts';

/** A thousand of the longest references, with JSON's escapes. */
export const LARGEST_BODY_BYTES = 4 * 1024 * 1024;

/** As many characters hold too little to be counted. */
const SHORT_TEXT = 8192;
/** A call names at most 1,000 references. */
const BOUNDS: JsonBounds = { values: 10_000, depth: 32, members: 500 };

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
  return parseJson(await readText(request, budget, mostBytes));
}

/** @throws VaultplaneError bad_request for what is no JSON, or more of it than any call needs */
export function parseJson(text: string): unknown {
  const over = text.length > SHORT_TEXT ? overJsonBounds(text, BOUNDS) : undefined;
  if (over !== undefined) throw new VaultplaneError('bad_request', `the body has ${over}`);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, which is not ours to repeat.
    throw new VaultplaneError('bad_request', 'the body is not JSON');
  }
}

/**
 * Reads a body of UTF-8, by the request's events: an async iteration costs more than all the rest of a small call.
 *
 * @param budget for the bodies of all calls together
 * @throws VaultplaneError (the promise rejects with it) too_large, too_many where other bodies take all the room, or
 * bad_request where the connection ends before the body does
 */
export function readText(request: IncomingMessage, budget: ByteBudget, mostBytes: number): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return Promise.reject(tooLarge(mostBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isRead = false;
    const fail = (error: VaultplaneError) => {
      isRead = true;
      budget.give(size);
      // What is still to come is read and dropped, so that the answer can be.
      request.removeListener('data', take).resume();
      reject(error);
    };
    const take = (chunk: Buffer) => {
      if (size + chunk.length > mostBytes) fail(tooLarge(mostBytes));
      else if (!budget.take(chunk.length)) fail(new VaultplaneError('too_many', 'too many large bodies at once'));
      else {
        size += chunk.length;
        chunks.push(chunk);
      }
    };
    request.on('data', take);
    request.on('end', () => {
      if (isRead) return;
      isRead = true;
      budget.give(size);
      const text = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8');
      whole.add({ resolve, text });
    });
    request.on('close', () => {
      if (!isRead) fail(new VaultplaneError('bad_request', 'the body did not come to its end'));
    });
  });
}

/** Bodies that are whole in one turn are answered together. */
const whole = new EndOfTurn<{ resolve: (text: string) => void; text: string }>(({ resolve, text }) => resolve(text));

function tooLarge(mostBytes: number): VaultplaneError {
  return new VaultplaneError('too_large', `the body must be at most ${mostBytes} bytes`);
}
