import type { IncomingMessage, ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import { RateLimit } from '@vaultplane/shared/rate-limit.ts';
import { parseReference, secondReading } from '@vaultplane/shared/reference.ts';
import { sendJson } from './answer.ts';
import type { Door } from './door.ts';
import { readJson } from './request-body.ts';

/** The calls of a refresh of more than one secret are spread over this long. */
const SPREAD_MS = 3000;

/** The refreshes of a door: each costs calls to a vault, so nobody may ask for as many as they like. */
export class Refreshes {
  readonly #door: Door;
  readonly #limit: RateLimit;

  constructor(door: Door) {
    this.#door = door;
    this.#limit = new RateLimit({ clock: door.clock, atOnce: 10, everyMs: 5000 });
  }

  /**
   * POST /v1/refresh {"of"?: "PREFIX" or "PREFIX/PATH"}: fetches anew what is held of all vaults, of one, or of one secret
   * named as in a reference. Answers when that is done: {"asked","refreshed","changed","failed"}, numbers of secrets.
   */
  async refresh(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const wanted = wantedOf(await readJson(request));
    const wait = this.#limit.take();
    if (wait > 0) {
      throw new VaultplaneError('too_many', `too many refreshes; try again in ${wait} s`, { retryAfterSeconds: wait });
    }
    sendJson(response, 200, await this.#door.resolver.refresh(wanted));
  }
}

function wantedOf(body: unknown): { vault?: string; paths?: string[]; spreadMs: number } {
  const { of, ...unknown } = (body ?? {}) as { of?: unknown };
  if (Object.keys(unknown).length > 0 || (of !== undefined && typeof of !== 'string')) {
    throw new VaultplaneError('bad_request', 'the body must have the form {"of":"PREFIX"} or {"of":"PREFIX/PATH"}');
  }
  if (of === undefined) return { spreadMs: SPREAD_MS };
  if (!/\/[^/]/.test(of)) return { vault: of.replace(/\/$/, ''), spreadMs: SPREAD_MS };
  const reference = parseReference(`{vault://${of}}`);
  const second = secondReading(reference);
  return { vault: reference.vault, paths: [reference.path, ...(second ? [second.path] : [])], spreadMs: 0 };
}
