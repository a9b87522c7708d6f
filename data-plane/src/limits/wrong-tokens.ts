import { isIP, isIPv6, type Socket } from 'node:net';
import { RateLimit } from '@vaultplane/platform/rate-limit.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';

/** Wrong tokens that a client may show; after that each is answered 429, until time has passed. */
const LIMIT = { atOnce: 30, everyMs: 1000 };
/** Clients that are remembered. With more of them, the one that was first is forgotten. */
const MAX_CLIENTS = 1024;

/**
 * Slows whoever shows wrong tokens. A client is an address (of IPv6 its /64); all of this machine are one, and all of the
 * Unix socket, since whoever is there can have any number of either. A right token never gets here: nobody is locked out.
 */
export class WrongTokens {
  readonly #clock: Clock;
  readonly #limits = new Map<string, RateLimit>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Clients that are remembered. */
  get size(): number {
    return this.#limits.size;
  }

  /** A wrong token was shown. @returns 0, or seconds after which another one is answered as usual */
  shown(socket: Pick<Socket, 'remoteAddress'>): number {
    const client = clientOf(socket.remoteAddress);
    let limit = this.#limits.get(client);
    if (!limit) {
      limit = new RateLimit({ clock: this.#clock, ...LIMIT });
      const [first] = this.#limits.keys();
      if (this.#limits.size >= MAX_CLIENTS) this.#limits.delete(first!);
      this.#limits.set(client, limit);
    }
    return limit.take();
  }
}

function clientOf(address = ''): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (isIP(plain) === 0) return 'unix';
  if (plain.startsWith('127.') || plain === '::1') return 'loopback';
  return isIPv6(plain) ? networkOf(plain) : plain;
}

/** The first four of eight groups. */
function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return groups.slice(0, 4).join(':');
}
