import type { ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Client } from '../auth/client.ts';
import type { Resolved } from '../cache/resolver.ts';
import { send } from '../server/answer.ts';
import { ByteBudget } from './byte-budget.ts';
import type { Refusals } from './refusals.ts';

/** Answers beyond this many bytes are counted: smaller ones fit into what every connection has anyway. */
const LARGE_BYTES = 256 * 1024;
/** All that large answers may hold while they wait to be read, and what they may hold for one client. */
const MOST_BYTES = 128 * 1024 * 1024;
const MOST_BYTES_PER_CLIENT = 64 * 1024 * 1024;
/** Whoever has not read an answer by then has it cut off, milliseconds. */
const READ_WITHIN_MS = 60_000;

/**
 * Large answers on their way to readers, who may be slow or may never read: bounded in size and in time, and made one a
 * turn of the event loop, so that others are answered in between.
 */
export class UnreadAnswers {
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  readonly #all = new ByteBudget(MOST_BYTES);
  readonly #byClient = new WeakMap<Client, ByteBudget>();
  #turn: Promise<void> = Promise.resolve();

  constructor(clock: Clock, refusals: Refusals) {
    this.#clock = clock;
    this.#refusals = refusals;
  }

  /**
   * Answers with what `render` makes of the results.
   *
   * @throws VaultplaneError too_many while there is no room for an answer of this size
   */
  async send(
    response: ServerResponse,
    client: Client,
    type: string,
    results: ReadonlyArray<Resolved | VaultplaneError>,
    render: () => string,
  ): Promise<void> {
    const bytes = sizeOf(results);
    if (bytes <= LARGE_BYTES) {
      send(response, 200, type, render());
      return;
    }
    const giveBack = this.#take(client, bytes);
    const cancel = this.#clock.after(READ_WITHIN_MS, () => {
      this.#refusals.add('slow_client', { client: client.name });
      response.destroy();
    });
    response.once('close', () => {
      cancel();
      giveBack();
    });
    await this.#nextTurn();
    if (!response.destroyed) send(response, 200, type, render());
  }

  #take(client: Client, bytes: number): () => void {
    let own = this.#byClient.get(client);
    if (!own) {
      own = new ByteBudget(MOST_BYTES_PER_CLIENT);
      this.#byClient.set(client, own);
    }
    // The largest single one has room where nothing else is.
    const counted = Math.min(bytes, MOST_BYTES_PER_CLIENT);
    if (own.take(counted)) {
      if (this.#all.take(counted)) {
        return () => {
          own.give(counted);
          this.#all.give(counted);
        };
      }
      own.give(counted);
    }
    this.#refusals.add('too_much_unread', { client: client.name });
    throw new VaultplaneError('too_many', 'too many large answers wait to be read; ask for less at once');
  }

  #nextTurn(): Promise<void> {
    this.#turn = this.#turn.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#turn;
  }
}

/** About the bytes of the values; what is around them is small. */
function sizeOf(results: ReadonlyArray<Resolved | VaultplaneError>): number {
  let bytes = 0;
  for (const result of results) if (!(result instanceof VaultplaneError)) bytes += result.value.length;
  return bytes;
}
