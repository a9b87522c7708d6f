import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { Lifetimes } from '@vaultplane/model/vaults/address.ts';
import type { Held } from './held.ts';
import { Lifecycle, type State } from './lifecycle.ts';
import type { SecretAddress, SecretScope } from './secret-address.ts';

/** How a reference, looked up under a role or none, uses an entry. */
export interface EntryUse {
  readonly reference: string;
  readonly roleArn: string | undefined;
  /** The reading that names the entry. */
  readonly reading: number;
  /** It is this reading that held last. */
  readonly answers: boolean;
}

/** What looks at an entry: a reference, which has lifetimes of its own and may remember what it picked. */
export interface EntryUser {
  readonly lifetimes: Lifetimes;
  /** Somebody wants to be told of changes. */
  readonly watched: boolean;
  /** The cache's count of uses when it last answered out of the entry. */
  readonly lastUse: number;
  /** How it names the entry's secret; null where it does not use it. */
  scopeOf(entry: Entry): SecretScope | null;
  /** What the entry is to it. */
  useOf(entry: Entry): EntryUse | null;
  /** The entry holds something else now, or nothing, or in another state: nothing of what it held may be kept. */
  forget(): void;
}

/** Not counted in a value's bytes, but there: names, nodes, members. */
export const OVERHEAD_BYTES = 512;

/** The upstream call for an entry that is under way, or about to be. */
export interface Flight {
  readonly result: Promise<Held | BackendError>;
  /** Nobody wants it any more. */
  cancelled: boolean;
  /** Gives the call up, once it has left. */
  cut: (() => void) | null;
  /** It has left: whoever wants what the vault answers from now on comes too late. */
  sent: boolean;
  /** The call after it, for those. */
  next: Promise<Held | BackendError> | null;
}

/** One secret in the cache, with its lifecycle under the lifetimes of all who use it. */
export class Entry extends Lifecycle<Held> implements SecretAddress {
  #scope: SecretScope;
  readonly path: string;
  flight: Flight | null = null;
  /** No longer in the cache, and never again. */
  dropped = false;
  /** Its place in the refresher's queue. */
  refreshPlace = -1;
  #lastUse = 0;
  /** As the cache last counted it. */
  bytes = 0;
  /** Mostly there is one, and a set is larger than all else here. */
  #users: EntryUser | Set<EntryUser> | null = null;
  #lifetimes: readonly Lifetimes[] = NONE;

  constructor({ scope, path }: SecretAddress) {
    super();
    this.#scope = scope;
    this.path = path;
  }

  /** As whoever it was made for names it, or another of its users. */
  get scope(): SecretScope {
    return this.#scope;
  }

  /** Whoever it was made for may mean another secret now: it is asked for as one of those who use it still names it. */
  nameByUser(): void {
    for (const user of this.users) {
      const scope = user.scopeOf(this);
      if (scope === null) continue;
      this.#scope = scope;
      return;
    }
  }

  /** The cache's count of uses when it was last used, by whomever. */
  get lastUse(): number {
    let last = this.#lastUse;
    for (const user of this.users) if (user.lastUse > last) last = user.lastUse;
    return last;
  }

  set lastUse(use: number) {
    this.#lastUse = use;
  }

  get users(): Iterable<EntryUser> {
    if (this.#users instanceof Set) return this.#users;
    return this.#users === null ? NONE : [this.#users];
  }

  get isUsed(): boolean {
    return this.#users !== null;
  }

  /** The different lifetimes of its users; of the last one, where there is none any more. */
  get lifetimes(): readonly Lifetimes[] {
    return this.#lifetimes;
  }

  addUser(user: EntryUser): void {
    if (this.#users instanceof Set) this.#users.add(user);
    else this.#users = this.#users === null || this.#users === user ? user : new Set([this.#users, user]);
    if (!this.#lifetimes.some((known) => same(known, user.lifetimes))) this.userChanged();
  }

  removeUser(user: EntryUser): void {
    this.#lastUse = this.lastUse;
    if (this.#users instanceof Set) {
      this.#users.delete(user);
      if (this.#users.size === 0) this.#users = null;
    } else if (this.#users === user) this.#users = null;
    if (this.#lifetimes.length > 1) this.userChanged();
  }

  /** A user's lifetimes are others now. */
  userChanged(): void {
    if (this.#users === null) return;
    const different: Lifetimes[] = [];
    for (const { lifetimes } of this.users) {
      if (!different.some((known) => same(known, lifetimes))) different.push(lifetimes);
    }
    this.#lifetimes = different.length === 1 ? onlyOne(different[0]!) : different;
  }

  /** Such an entry is not evicted. */
  get watched(): boolean {
    for (const user of this.users) if (user.watched) return true;
    return false;
  }

  /** As the first of its users that may have it sees it; `negative` is a miss that is remembered, null nothing. */
  stateAt(now: number): State | 'negative' | null {
    for (const own of this.#lifetimes) {
      const state = this.stateFor(own, now);
      if (state) return state;
      const refusal = this.refusalFor(own, now);
      if (refusal && refusal.code !== 'unavailable') return 'negative';
    }
    return null;
  }

  /** The earliest that any user wants a refresh. */
  refreshAt(): number {
    let earliest = Infinity;
    for (const lifetimes of this.#lifetimes) earliest = Math.min(earliest, this.dueFor(lifetimes));
    return earliest;
  }

  /** When no user has any use for it any more. */
  goneAt(): number {
    let latest = 0;
    for (const lifetimes of this.#lifetimes) latest = Math.max(latest, this.goneFor(lifetimes));
    return latest;
  }

  size(): number {
    return OVERHEAD_BYTES + (this.held?.bytes ?? 0);
  }

  /** What users remember of the value is forgotten. */
  forget(): void {
    for (const user of this.users) user.forget();
  }
}

const NONE: readonly never[] = [];
const lists = new WeakMap<Lifetimes, readonly Lifetimes[]>();

/** The same list for all that have these. */
function onlyOne(lifetimes: Lifetimes): readonly Lifetimes[] {
  const list = lists.get(lifetimes) ?? [lifetimes];
  lists.set(lifetimes, list);
  return list;
}

function same(a: Lifetimes, b: Lifetimes): boolean {
  return a === b || (a.ttl === b.ttl && a.negTtl === b.negTtl && a.resurrectTtl === b.resurrectTtl);
}
