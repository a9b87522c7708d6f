import type { promises as Dns, LookupAddress } from 'node:dns';
import type { Clock } from '../time/clock.ts';
import type { SearchRules, SystemFiles } from './system-files.ts';

/** What a name has, and for how many seconds the one who knows says so. */
export interface Addresses {
  addresses: readonly LookupAddress[];
  ttlSeconds: number;
}

/**
 * Why a name has no addresses: there is no such name (`ENOTFOUND`), or nobody who could know has answered (`EAI_AGAIN`).
 * The codes are those of dns.lookup, which people know.
 */
export class NameError extends Error {
  readonly code: 'ENOTFOUND' | 'EAI_AGAIN';
  readonly syscall = 'getaddrinfo';
  readonly hostname: string;
  /** The system may know the name by other ways than DNS. */
  readonly isForSystem: boolean;

  constructor(code: NameError['code'], hostname: string, { isForSystem = false, cause }: NameErrorOptions = {}) {
    super(`getaddrinfo ${code} ${hostname}`, { cause });
    this.code = code;
    this.hostname = hostname;
    this.isForSystem = isForSystem;
  }
}

interface NameErrorOptions {
  isForSystem?: boolean;
  cause?: unknown;
}

/** Milliseconds until a query is sent again; each time twice as long. A call has a second for its connection. */
const FIRST_TRY_MS = 400;
const TRIES = 3;
/** Milliseconds that addresses of one family are held back for those of the other, or of a name that would come first. */
const PATIENCE_MS = 250;

/** By these the servers say that a name, or an address of it, does not exist. */
const ABSENT = ['ENOTFOUND', 'ENODATA', 'EBADNAME'];
/** There is no server to ask, or it does not answer this machine. */
const NOT_ASKED = ['ECONNREFUSED', 'EREFUSED'];

/**
 * Asks name servers by c-ares, which needs no thread: a zone that is dead holds a few bytes and a timer, and nobody else.
 * (dns.lookup blocks one of libuv's threads, of which a process has two for names.)
 */
export class DnsQueries {
  readonly #files: SystemFiles;
  readonly #clock: Clock;
  #resolver: { dns: Dns.Resolver; fingerprint: string } | undefined;

  constructor(files: SystemFiles, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  /**
   * The addresses of a name, with the search domains of resolv.conf. Ends by itself within seconds.
   *
   * @throws NameError
   */
  async resolve(name: string): Promise<Addresses> {
    const rules = this.#files.searchRules();
    const dns = await this.#resolverFor(rules);
    const { first, afterwards } = candidatesOf(name, rules);
    try {
      return await this.#firstOf(name, first, dns);
    } catch (error) {
      if (afterwards.length === 0 || !(error instanceof NameError) || error.code !== 'ENOTFOUND') throw error;
      return this.#firstOf(name, afterwards, dns);
    }
  }

  /** Name servers may be others since resolv.conf was read: c-ares reads it once a resolver. */
  async #resolverFor({ fingerprint }: SearchRules): Promise<Dns.Resolver> {
    if (this.#resolver?.fingerprint !== fingerprint) {
      const { Resolver } = process.getBuiltinModule('node:dns').promises;
      this.#resolver = { dns: new Resolver({ timeout: FIRST_TRY_MS, tries: TRIES }), fingerprint };
    }
    return this.#resolver.dns;
  }

  /**
   * All are asked at once, and the first in order that has addresses is taken: a search domain whose servers are dead does
   * not keep the name itself from being found.
   */
  async #firstOf(name: string, candidates: readonly string[], dns: Dns.Resolver): Promise<Addresses> {
    const asked = candidates.map((candidate) => this.#ask(candidate, dns));
    const failures: NameError[] = [];
    const any = Promise.any(asked).catch(() => undefined);
    for (const each of asked) {
      try {
        return (await this.#unlessLate(each, any)) ?? (await Promise.any(asked));
      } catch (error) {
        failures.push(...(error instanceof AggregateError ? error.errors : [error]));
      }
    }
    const undecided = failures.find(({ code }) => code === 'EAI_AGAIN');
    const isForSystem = undecided ? undecided.isForSystem : true;
    throw new NameError(undecided ? 'EAI_AGAIN' : 'ENOTFOUND', name, { isForSystem, cause: failures[0] });
  }

  /** Undefined where another has come, and this one has not within PATIENCE_MS after it. */
  #unlessLate<T>(work: Promise<T>, another: Promise<unknown>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      let cancel = () => {};
      let isDone = false;
      const done = () => {
        isDone = true;
        cancel();
      };
      work.then(resolve, reject).finally(done);
      void another.then((found) => {
        if (found !== undefined && !isDone) cancel = this.#clock.after(PATIENCE_MS, () => resolve(undefined));
      });
    });
  }

  /** @throws NameError */
  async #ask(name: string, dns: Dns.Resolver): Promise<Addresses> {
    const families = [dns.resolve4(name, { ttl: true }), dns.resolve6(name, { ttl: true })] as const;
    const found = families.map((family) =>
      family.then((records) => {
        if (records.length === 0) throw Object.assign(new Error('no records'), { code: 'ENODATA' });
        return records;
      }),
    );
    const any = Promise.any(found).catch(() => undefined);
    const settled = await Promise.all(
      found.map((family) => this.#unlessLate(family, any).catch((error: NodeJS.ErrnoException) => error)),
    );
    const records = settled.flatMap((each) => (Array.isArray(each) ? each : []));
    if (records.length > 0) {
      const addresses = records.map(({ address }) => ({ address, family: address.includes(':') ? 6 : 4 }));
      return { addresses, ttlSeconds: Math.min(...records.map(({ ttl }) => ttl)) };
    }
    const codes = settled.map((error) => String((error as NodeJS.ErrnoException | undefined)?.code));
    const isAbsent = codes.some((code) => code === 'ENOTFOUND') || codes.every((code) => ABSENT.includes(code));
    const isForSystem = isAbsent || codes.every((code) => NOT_ASKED.includes(code));
    throw new NameError(isAbsent ? 'ENOTFOUND' : 'EAI_AGAIN', name, { isForSystem, cause: settled[0] });
  }
}

/** What a name is asked for as: at first, and where that is not found. Source: resolv.conf(5), search and ndots. */
function candidatesOf(name: string, { search, ndots }: SearchRules): { first: string[]; afterwards: string[] } {
  if (name.endsWith('.')) return { first: [name.slice(0, -1)], afterwards: [] };
  const below = search.map((domain) => `${name}.${domain}`);
  if (name.split('.').length > ndots) return { first: [name], afterwards: below };
  return { first: [...below, name], afterwards: [] };
}
