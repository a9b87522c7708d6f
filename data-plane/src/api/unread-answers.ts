import type { ServerResponse } from 'node:http';
import type { Clock } from '@vaultplane/shared/clock.ts';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import { send } from './answer.ts';
import { ByteBudget } from './byte-budget.ts';
import type { Client } from './client.ts';
import type { Refusals } from './refusals.ts';

/** Answers beyond this many bytes are counted: smaller ones fit into what every connection has anyway. */
const LARGE_BYTES = 256 * 1024;
/** All that large answers may hold while they wait to be read. The largest single one always fits. */
const MOST_BYTES = 512 * 1024 * 1024;
/** Whoever has not read an answer by then has it cut off, milliseconds. */
const READ_WITHIN_MS = 60_000;

/** Large answers on their way to readers, who may be slow or may never read: bounded in size and in time. */
export class UnreadAnswers {
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  readonly #budget = new ByteBudget(MOST_BYTES);

  constructor(clock: Clock, refusals: Refusals) {
    this.#clock = clock;
    this.#refusals = refusals;
  }

  /** @throws VaultplaneError too_many while there is no room for an answer of this size */
  send(response: ServerResponse, client: Client, type: string, text: string): void {
    const body = Buffer.from(text);
    if (body.length <= LARGE_BYTES) {
      send(response, 200, type, body);
      return;
    }
    const counted = Math.min(body.length, MOST_BYTES);
    if (!this.#budget.take(counted)) {
      this.#refusals.add('too_much_unread', { client: client.name });
      throw new VaultplaneError('too_many', 'too many large answers wait to be read; ask for less at once');
    }
    const cancel = this.#clock.after(READ_WITHIN_MS, () => {
      this.#refusals.add('slow_client', { client: client.name });
      response.destroy();
    });
    response.once('close', () => {
      cancel();
      this.#budget.give(counted);
    });
    send(response, 200, type, body);
  }
}
