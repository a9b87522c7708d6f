import type { LookupAddress } from 'node:dns';
import type { Clock } from '../time/clock.ts';
import { type Addresses, DnsQueries, NameError } from './dns-queries.ts';
import { type SystemFilePaths, SystemFiles } from './system-files.ts';

export interface NamesOptions {
  clock: Clock;
  env?: NodeJS.ProcessEnv;
  paths?: SystemFilePaths;
}

interface Entry {
  addresses: readonly LookupAddress[] | undefined;
  /** Until when they are given without asking, and until when where nobody answers; by the monotonic clock. */
  freshUntil: number;
  staleUntil: number;
  asking: Promise<readonly LookupAddress[]> | undefined;
}

/** Names that are remembered; what was asked for longest ago goes first. */
const MAX_NAMES = 1000;
/** Addresses are asked for again after a minute at most, whatever their TTL. */
const MAX_FRESH_MS = 60_000;
/** What the system has found by itself has no TTL. */
const SYSTEM_TTL_SECONDS = 5;
/** An hour, in which known addresses are used where name servers fail. Source: RFC 8767, which allows up to a week. */
const STALE_MS = 3_600_000;
/** Milliseconds that name servers have before a known address is used in place of their answer. */
const STALE_AFTER_MS = 300;
/** Milliseconds in which a name is resolved or not, whatever is asked for it. */
const LIMIT_MS = 5000;
/** What needs no thread. */
const OWN_SOURCES = ['files', 'dns'];

/**
 * Resolves names as the system does, so that one that can't be resolved holds up no other: first /etc/hosts, then DNS by
 * c-ares, and what that does not know is asked of the system (getaddrinfo), one name at a time. Callers for one name share
 * one query, and addresses are used for a time after name servers have gone.
 */
export class Names {
  readonly #clock: Clock;
  readonly #files: SystemFiles;
  readonly #dns: DnsQueries;
  readonly #known = new Map<string, Entry>();
  /** The last of those who wait for the system. */
  #system: Promise<void> = Promise.resolve();

  constructor({ clock, env, paths }: NamesOptions) {
    this.#clock = clock;
    this.#files = new SystemFiles(env, paths);
    this.#dns = new DnsQueries(this.#files, clock);
  }

  /**
   * The addresses of a name, of both families, at least one.
   *
   * @param name no literal address
   * @throws NameError
   */
  async resolve(name: string): Promise<readonly LookupAddress[]> {
    const sources = this.#files.sources();
    const local = this.hostsOf(name);
    if (local.length > 0) return local.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (/^(.*\.)?localhost\.?$/i.test(name)) return LOOPBACK;
    const entry = this.#entryOf(name.toLowerCase());
    const now = this.#clock.monotonic();
    if (entry.addresses && now < entry.freshUntil) return entry.addresses;
    entry.asking ??= this.#ask(name, entry, sources);
    if (!entry.addresses || now >= entry.staleUntil) return entry.asking;
    return this.#orKnown(entry.asking, entry.addresses);
  }

  /** The addresses that /etc/hosts has for a name, where it is looked at. */
  hostsOf(name: string): readonly string[] {
    return this.#files.sources().includes('files') ? this.#files.hostsOf(name) : [];
  }

  #entryOf(key: string): Entry {
    const entry = this.#known.get(key) ?? { addresses: undefined, freshUntil: 0, staleUntil: 0, asking: undefined };
    this.#known.delete(key);
    this.#known.set(key, entry);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_NAMES && oldest !== undefined) this.#known.delete(oldest);
    return entry;
  }

  async #ask(name: string, entry: Entry, sources: readonly string[]): Promise<readonly LookupAddress[]> {
    try {
      const { addresses, ttlSeconds } = await this.#withinLimit(name, this.#find(name, sources));
      const now = this.#clock.monotonic();
      const freshMs = Math.min(ttlSeconds * 1000, MAX_FRESH_MS);
      Object.assign(entry, { addresses, freshUntil: now + freshMs, staleUntil: now + freshMs + STALE_MS });
      return addresses;
    } catch (error) {
      // That there is no such name is an answer.
      if (error instanceof NameError && error.code === 'ENOTFOUND') entry.addresses = undefined;
      throw error;
    } finally {
      entry.asking = undefined;
    }
  }

  async #find(name: string, sources: readonly string[]): Promise<Addresses> {
    if (!sources.includes('dns')) return this.#askSystem(name);
    try {
      return await this.#dns.resolve(name);
    } catch (error) {
      const isForSystem = error instanceof NameError && error.isForSystem;
      if (!isForSystem || sources.every((source) => OWN_SOURCES.includes(source))) throw error;
      return this.#askSystem(name).catch(() => Promise.reject(error));
    }
  }

  /**
   * What nsswitch.conf names beside files and DNS, such as mDNS, LDAP or this machine's own name. One at a time: it blocks one
   * of libuv's threads, of which a process has two for names.
   */
  #askSystem(name: string): Promise<Addresses> {
    const isLate = () => this.#clock.monotonic() - asked >= LIMIT_MS;
    const asked = this.#clock.monotonic();
    const lookup = this.#system.then(async () => {
      if (isLate()) throw new NameError('EAI_AGAIN', name);
      const found = await process.getBuiltinModule('node:dns').promises.lookup(name, { all: true });
      return { addresses: found, ttlSeconds: SYSTEM_TTL_SECONDS };
    });
    this.#system = lookup.then(
      () => {},
      () => {},
    );
    return lookup.catch((error: NodeJS.ErrnoException) => {
      throw new NameError(error.code === 'ENOTFOUND' ? error.code : 'EAI_AGAIN', name, { cause: error });
    });
  }

  #withinLimit<T>(name: string, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(LIMIT_MS, () => reject(new NameError('EAI_AGAIN', name)));
      work.then(resolve, reject).finally(cancel);
    });
  }

  /** What is being asked for, unless it fails or takes long; then what is known. */
  #orKnown(
    asking: Promise<readonly LookupAddress[]>,
    known: readonly LookupAddress[],
  ): Promise<readonly LookupAddress[]> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(STALE_AFTER_MS, () => resolve(known));
      asking
        .then(resolve, (error: NameError) => (error.code === 'ENOTFOUND' ? reject(error) : resolve(known)))
        .finally(cancel);
    });
  }
}

const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];
