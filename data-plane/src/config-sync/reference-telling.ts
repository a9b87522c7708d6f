import {
  MAX_REFERENCE_CHARACTERS,
  MOST_REFERENCES,
  MOST_REFERENCES_A_MESSAGE,
  REFERENCE_STATES,
  type ReferencesMessage,
  type ReportMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { HeldSecret } from '../cache/inventory.ts';

export type Inventory = () => Iterable<HeldSecret>;

/**
 * So many names and changes are told at once, and so many a second after that: 10,000 references take 90 s, and 1,000 data
 * planes that tell of as many each at once cost their control plane a good part of one core for that long.
 */
const TOLD_AT_ONCE = 1000;
const TOLD_A_SECOND = 100;
/**
 * That a value was fetched again and is the same is told less urgently: of so many values every so often, those first
 * that it was longest not told of. So an age is told too high, never too low.
 */
const AGES_AT_ONCE = 100;
const AGES_EVERY_MS = 10_000;
const LONGEST_VERSION_ID = 256;
/** Names of one message are about this many characters together; the next ones follow with the next message. */
const MAX_NAME_CHARACTERS_A_MESSAGE = 128 * 1024;

interface Told {
  number: number;
  state: HeldSecret['state'];
  versionId: string | null;
  fetchedAt: number | null;
  /** As it is now, and in which look that was seen. */
  now: HeldSecret;
  look: number;
}

/**
 * What one link's control plane has been told of what this data plane holds, and what it is to be told next: bounded a
 * message and a second, however much changes at once.
 */
export class ReferenceTelling {
  readonly #inventory: Inventory;
  readonly #clock: Clock;
  /** By the secret's key; the longest not told of first. */
  readonly #told = new Map<string, Told>();
  readonly #freeNumbers: number[] = [];
  #numbers = 0;
  #look = 0;
  #budget = TOLD_AT_ONCE;
  #budgetAt: number;
  #agesAt: number;
  #toldComplete = false;

  constructor(options: { inventory: Inventory; clock: Clock }) {
    this.#inventory = options.inventory;
    this.#clock = options.clock;
    this.#budgetAt = options.clock.monotonic();
    this.#agesAt = this.#budgetAt;
  }

  /** The next message; undefined where there is nothing to tell now. */
  next(): ReferencesMessage | undefined {
    const message: ReferencesMessage = { type: 'references', names: [], held: [], gone: [], complete: true };
    let left = Math.min(MOST_REFERENCES_A_MESSAGE, Math.floor(this.#refill()));
    const most = left;
    let nameCharacters = 0;
    this.#look++;
    for (const secret of this.#inventory()) {
      if (secret.reference.length > MAX_REFERENCE_CHARACTERS) continue;
      const told = this.#told.get(secret.key);
      if (told) {
        told.now = secret;
        told.look = this.#look;
        if (told.state === secret.state && told.versionId === secret.versionId) continue;
      }
      if (left > 0 && nameCharacters < MAX_NAME_CHARACTERS_A_MESSAGE && this.#tell(secret, told, message)) {
        left--;
        nameCharacters += secret.reference.length;
      } else message.complete = false;
    }
    for (const [key, { look, number }] of this.#told) {
      if (look === this.#look) continue;
      if (left > 0) {
        left--;
        message.gone.push(number);
        this.#freeNumbers.push(number);
        this.#told.delete(key);
      } else message.complete = false;
    }
    this.#budget -= most - left;
    this.#tellAges(message);
    const nothing = message.names.length + message.held.length + message.gone.length === 0;
    if (nothing && message.complete === this.#toldComplete) return undefined;
    this.#toldComplete = message.complete;
    return message;
  }

  /** False where there is no number left for it. */
  #tell(secret: HeldSecret, known: Told | undefined, message: ReferencesMessage): boolean {
    const number = known?.number ?? this.#newNumber();
    if (number === undefined) return false;
    if (!known) message.names.push([number, secret.vault, secret.reference]);
    const { key, state, versionId, fetchedAt } = secret;
    message.held.push([
      number,
      REFERENCE_STATES.indexOf(state),
      versionId?.slice(0, LONGEST_VERSION_ID) ?? null,
      fetchedAt === null ? null : Math.max(0, Math.floor(fetchedAt / 1000)),
    ]);
    this.#told.delete(key);
    this.#told.set(key, { number, state, versionId, fetchedAt, now: secret, look: this.#look });
    return true;
  }

  #tellAges(message: ReferencesMessage): void {
    const now = this.#clock.monotonic();
    if (now - this.#agesAt < AGES_EVERY_MS) return;
    this.#agesAt = now;
    let left = Math.min(AGES_AT_ONCE, MOST_REFERENCES_A_MESSAGE - message.held.length);
    for (const told of [...this.#told.values()]) {
      if (left === 0) return;
      const { now: secret, look } = told;
      const same = told.state === secret.state && told.versionId === secret.versionId;
      if (look !== this.#look || !same || told.fetchedAt === secret.fetchedAt) continue;
      this.#tell(secret, told, message);
      left--;
    }
  }

  #newNumber(): number | undefined {
    return this.#freeNumbers.pop() ?? (this.#numbers < MOST_REFERENCES ? this.#numbers++ : undefined);
  }

  #refill(): number {
    const now = this.#clock.monotonic();
    this.#budget = Math.min(TOLD_AT_ONCE, this.#budget + ((now - this.#budgetAt) / 1000) * TOLD_A_SECOND);
    this.#budgetAt = now;
    return this.#budget;
  }
}

const MOST_VAULTS = 1000;

/** How many secrets of each vault are in which state. */
export function countsByVault(inventory: Iterable<HeldSecret>): NonNullable<ReportMessage['vaults']> {
  const counts = new Map<string, NonNullable<ReportMessage['vaults']>[number]>();
  for (const { vault, state } of inventory) {
    let own = counts.get(vault);
    if (!own) {
      if (counts.size === MOST_VAULTS) continue;
      own = { prefix: vault, fresh: 0, stale: 0, resurrected: 0, negative: 0 };
      counts.set(vault, own);
    }
    own[state]++;
  }
  return [...counts.values()];
}
