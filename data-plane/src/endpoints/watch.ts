import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Client, Grant } from '../auth/client.ts';
import { sendError } from '../server/answer.ts';
import type { Call, Route } from '../server/route.ts';
import { refuseUnknown } from '../server/unknown-names.ts';
import type { Door } from './door.ts';
import { WatchHistory } from './watch-history.ts';
import { WatchStream } from './watch-stream.ts';

const MOST_REFERENCES = 1000;
const MOST_WATCHERS = 2000;
/** Of these one client may have so many. */
const MOST_WATCHERS_PER_CLIENT = 1000;

/** The watchers of a door: server-sent events, each value now, then at every rotation and change of state. */
export class Watchers {
  readonly #door: Door;
  readonly #history: WatchHistory;
  readonly #open = new Map<WatchStream, Grant>();

  constructor(door: Door) {
    this.#door = door;
    this.#history = new WatchHistory(door.clock);
    door.access.onChange(() => {
      for (const [stream, grant] of this.#open) if (!door.access.isCurrent(grant)) stream.end();
    });
  }

  get count(): number {
    return this.#open.size;
  }

  /** GET /v1/watch?ref=REF&ref=REF… Events are `value` with what /v1/resolve gives, and `error`. */
  get route(): Route {
    return { door: '/v1/watch', methods: ['GET'], sendError, handle: (call) => this.#watch(call) };
  }

  /** Ends every watch; the watchers come back by themselves, to whoever listens then. */
  stop(): void {
    for (const stream of this.#open.keys()) stream.end();
  }

  #watch({ query, request, response, client, grant }: Call): void {
    const { lookups, clock, configVersion, refusals } = this.#door;
    refuseUnknown(query, ['ref']);
    const references = [...new Set(query.getAll('ref'))];
    if (references.length === 0) throw new VaultplaneError('bad_request', 'the query must have at least one ref');
    if (references.length > MOST_REFERENCES) {
      throw new VaultplaneError('too_large', `at most ${MOST_REFERENCES} references can be watched at once`);
    }
    this.#requireRoom(client);

    const lastEventId = request.headers['last-event-id'];
    const { story, had } = this.#history.begin(typeof lastEventId === 'string' ? lastEventId : undefined);
    const onSlow = () => refusals.add('slow_client', { client: client.name, door: '/v1/watch' });
    let stream: WatchStream | undefined;
    const unwatch: Array<() => void> = [];
    const leave = () => {
      for (const end of unwatch.splice(0)) end();
      this.#history.left(story);
    };
    try {
      // Nothing is told before this has returned, so that the stream is there by then.
      for (const reference of references) {
        unwatch.push(lookups.watch(client, reference, (event) => stream?.tell(reference, event)));
      }
    } catch (error) {
      leave();
      throw error;
    }
    const opened = new WatchStream({ response, references, story, had, clock, configVersion, onSlow });
    stream = opened;
    this.#open.set(opened, grant);
    client.watches++;
    response.once('close', () => {
      opened.closed();
      leave();
      this.#open.delete(opened);
      client.watches--;
    });
  }

  #requireRoom(client: Client): void {
    if (this.#open.size < MOST_WATCHERS && client.watches < MOST_WATCHERS_PER_CLIENT) return;
    this.#door.refusals.add('too_many_watches', { client: client.name });
    throw new VaultplaneError('too_many', 'too many watches');
  }
}
