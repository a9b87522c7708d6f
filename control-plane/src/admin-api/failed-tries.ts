import { isIPv6 } from 'node:net';
import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** Wrong tokens that an address may try at once. */
export const TRIES = 10;
/** One more try after each of these. */
export const TRY_AGAIN_MS = 6000;
/** Addresses that are remembered; whoever tried longest ago goes first. */
const MOST_ADDRESSES = 10_000;

/** How many wrong tokens came from where, so that nobody can try many. */
export class FailedTries {
  readonly #clock: Clock;
  /** By address: from when on it has all its tries again, in the order in which they failed last. */
  readonly #recoveredAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Seconds until an address may try again; 0: now. Whether its token is right is not looked at before that. */
  waitSeconds(address: string | null): number {
    const waitMs = this.#owedMs(addressKey(address)) - (TRIES - 1) * TRY_AGAIN_MS;
    return waitMs > 0 ? Math.ceil(waitMs / 1000) : 0;
  }

  failed(address: string | null): void {
    const key = addressKey(address);
    const owedMs = this.#owedMs(key) + TRY_AGAIN_MS;
    this.#recoveredAt.delete(key);
    this.#recoveredAt.set(key, this.#clock.monotonic() + owedMs);
    if (this.#recoveredAt.size > MOST_ADDRESSES) this.#recoveredAt.delete(this.#recoveredAt.keys().next().value!);
  }

  #owedMs(key: string): number {
    return Math.max(0, (this.#recoveredAt.get(key) ?? 0) - this.#clock.monotonic());
  }
}

/** Whoever has an IPv6 address has 2^64 of them: its first half is the one that counts. */
export function addressKey(address: string | null): string {
  if (address === null) return '';
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.replace(/%.*$/, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - rest.length }, () => '0');
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':');
}
