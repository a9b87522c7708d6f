import type { ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { Resolved } from '../secrets/resolver.ts';
import { errorBody } from './answer.ts';
import type { Door } from './door.ts';
import { refuseUnknown, resolvedBody } from './resolve.ts';

const MOST_REFERENCES = 1000;
const MOST_WATCHERS = 1000;
/** A comment line, so that a connection which has died shows itself to both sides. */
const HEARTBEAT_MS = 15_000;
/** A watcher that has left so much unread is let go: it gets the values anew when it comes back. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;

/** The watchers of a door: server-sent events, each value now, then at every rotation and change of state. */
export class Watchers {
  readonly #door: Door;
  readonly #open = new Set<ServerResponse>();

  constructor(door: Door) {
    this.#door = door;
  }

  get count(): number {
    return this.#open.size;
  }

  /** GET /v1/watch?ref=REF&ref=REF… Events are `value` with what /v1/resolve gives, and `error`. */
  watch(query: URLSearchParams, response: ServerResponse): void {
    refuseUnknown(query, ['ref']);
    const references = [...new Set(query.getAll('ref'))];
    if (references.length === 0) throw new VaultplaneError('bad_request', 'the query must have at least one ref');
    if (references.length > MOST_REFERENCES) {
      throw new VaultplaneError('too_large', `at most ${MOST_REFERENCES} references can be watched at once`);
    }
    if (this.#open.size >= MOST_WATCHERS) throw new VaultplaneError('too_many', 'too many watchers');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 1000\n\n');
    this.#open.add(response);

    const unwatch = references.map((reference) =>
      this.#door.resolver.watch(reference, (event) => this.#tell(response, reference, event)),
    );
    let cancelHeartbeat = () => {};
    const beat = () => {
      cancelHeartbeat = this.#door.clock.after(HEARTBEAT_MS, beat);
      response.write(':\n\n');
    };
    cancelHeartbeat = this.#door.clock.after(HEARTBEAT_MS, beat);
    response.once('close', () => {
      cancelHeartbeat();
      for (const end of unwatch) end();
      this.#open.delete(response);
    });
  }

  /** Ends every watch; the watchers come back by themselves, to whoever listens then. */
  stop(): void {
    for (const response of this.#open) response.end();
  }

  #tell(response: ServerResponse, reference: string, event: Resolved | VaultplaneError): void {
    if (response.writableLength > MOST_UNREAD_BYTES) {
      response.destroy();
      return;
    }
    const [name, data] =
      event instanceof VaultplaneError
        ? ['error', { reference, error: errorBody(event) }]
        : ['value', resolvedBody(event, this.#door.configVersion())];
    response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
