import {
  MOST_REFERENCES,
  MOST_REFERENCES_A_MESSAGE,
  ProtocolError,
  REFERENCE_STATES,
  type ReferenceState,
  type ReferencesMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { Interner } from './interner.ts';

/** How many data planes serve one version of a secret in one state. */
export interface Serving {
  /** Null where the vault has no versions, or nothing is held. */
  version_id: string | null;
  state: ReferenceState;
  data_planes: number;
  /** When the oldest of them fetched it, seconds since 1970; null where nothing is held. */
  oldest_fetched_at: number | null;
}

/** One secret, as a number of data planes have it. */
export interface ReferenceTally {
  /** The vault's prefix. */
  vault: string;
  /** The whole secret's reference. */
  reference: string;
  servings: Serving[];
}

/** The members that were asked. */
export interface Census {
  /** In order of vault and reference. */
  tallies: ReferenceTally[];
  /** Data planes that tell of references, and those of them that have told of all. */
  data_planes: number;
  complete: number;
}

/** A data plane's names may be so long in all. */
const MOST_NAME_CHARACTERS = 32 * 1024 * 1024;
/** The names and version ids that all data planes here hold, each text once, and what each costs beside its characters. */
const MAX_CHARACTERS = 64 * 1024 * 1024;
/** What all data planes here hold, in bytes, beside those texts. */
const MAX_ENTRY_BYTES = 512 * 1024 * 1024;
const BYTES_OF_AN_ENTRY = 13;
/** Pairs of version and state that are told apart of one secret; of further ones the version is `other`. */
const MAX_SERVINGS = 20;
/** So many members are counted before others get their turn. */
const MEMBERS_A_TURN = 50;
const NONE = -1;
const OTHER = -2;
const NOT_TOLD = 255;

/**
 * What every connected data plane holds, as they tell it (never a value), and how that sums up by secret. An entry takes
 * 13 bytes, and room to grow: 10,000 secrets on 1,000 data planes were seen to take 200 MB.
 */
export class ReferenceCensus {
  readonly #secrets = new Interner();
  readonly #versions = new Interner();
  readonly #members = new Set<MemberReferences>();
  readonly #exceeded = new WeakMap<MemberReferences, () => void>();
  #last: Census = { tallies: [], data_planes: 0, complete: 0 };
  #counting: Promise<Census> | undefined;
  #revision = 0;
  #countedRevision = 0;
  #entryBytes = 0;

  /** Another number whenever something was told since. */
  get revision(): number {
    return this.#revision;
  }

  /** @param exceeded called once, when all hold more than can be kept, and this one the most; it has left by then */
  join(exceeded: () => void = () => {}): MemberReferences {
    let bytes = 0;
    const member = new MemberReferences(this.#secrets, this.#versions, (joined) => {
      this.#revision++;
      this.#entryBytes += member.entryBytes - bytes;
      bytes = member.entryBytes;
      if (!joined) this.#members.delete(member);
      else {
        this.#members.add(member);
        this.#shed();
      }
    });
    this.#exceeded.set(member, exceeded);
    return member;
  }

  /** Whoever holds most leaves, until what is left can be kept. */
  #shed(): void {
    while (
      this.#secrets.characters + this.#versions.characters > MAX_CHARACTERS ||
      this.#entryBytes > MAX_ENTRY_BYTES
    ) {
      let largest: MemberReferences | undefined;
      let most = -1;
      for (const member of this.#members) {
        const cost = member.cost();
        if (cost <= most) continue;
        most = cost;
        largest = member;
      }
      if (!largest) return;
      largest.leave();
      this.#exceeded.get(largest)?.();
    }
  }

  /** As of now or later. */
  async count(): Promise<Census> {
    if (this.#countedRevision === this.#revision) return this.#counting ?? this.#last;
    if (this.#counting) return this.#counting.then(() => this.count());
    this.#countedRevision = this.#revision;
    this.#counting = this.#secrets.keepNumbers(() => this.#versions.keepNumbers(() => this.#countNow()));
    try {
      this.#last = await this.#counting;
      return this.#last;
    } finally {
      this.#counting = undefined;
    }
  }

  async #countNow(): Promise<Census> {
    const groups: Array<Group[] | undefined> = [];
    const members = [...this.#members];
    let complete = 0;
    for (const [index, member] of members.entries()) {
      member.addTo(groups);
      if (member.complete) complete++;
      if (index % MEMBERS_A_TURN === MEMBERS_A_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
    }
    const tallies: ReferenceTally[] = [];
    for (const [secret, servings] of groups.entries()) {
      if (!servings) continue;
      const [vault, reference] = this.#secrets.text(secret).split('\0') as [string, string];
      tallies.push({ vault, reference, servings: servings.map((group) => this.#serving(group)) });
    }
    tallies.sort(byReference);
    return { tallies, data_planes: members.length, complete };
  }

  #serving({ version, state, count, oldest }: Group): Serving {
    return {
      version_id: version === NONE ? null : version === OTHER ? 'other' : this.#versions.text(version),
      state: REFERENCE_STATES[state]!,
      data_planes: count,
      oldest_fetched_at: oldest === Infinity ? null : oldest,
    };
  }
}

/** The order of lists of references. */
export function byReference(a: Pick<ReferenceTally, 'vault' | 'reference'>, b: typeof a): number {
  if (a.vault !== b.vault) return a.vault < b.vault ? -1 : 1;
  return a.reference < b.reference ? -1 : Number(a.reference > b.reference);
}

interface Group {
  version: number;
  state: number;
  count: number;
  oldest: number;
}

/** What one data plane holds, by the numbers of its link. */
export class MemberReferences {
  /** It has told of everything that it holds. */
  complete = false;
  readonly #secrets: Interner;
  readonly #versions: Interner;
  readonly #changed: (joined: boolean) => void;
  #joined = false;
  #left = false;
  #nameCharacters = 0;
  /** One more than the highest number so far. */
  #numbers = 0;
  /** By number: the secret (NONE: the number is free), its version, state and time of fetch (0: nothing is held). */
  #secret = new Int32Array(0);
  #version = new Int32Array(0);
  #state = new Uint8Array(0);
  #fetchedAt = new Uint32Array(0);

  /** Use ReferenceCensus.join. */
  constructor(secrets: Interner, versions: Interner, changed: (joined: boolean) => void) {
    this.#secrets = secrets;
    this.#versions = versions;
    this.#changed = changed;
  }

  /** @throws ProtocolError where it tells of more than a control plane can keep */
  take({ names, held, gone, complete }: ReferencesMessage): void {
    if (this.#left) return;
    this.#joined = true;
    for (const number of gone) this.#free(number);
    for (const [number, vault, reference] of names) this.#name(number, vault, reference);
    for (const [number, state, version, fetchedAt] of held) {
      if ((this.#secret[number] ?? NONE) === NONE) throw new ProtocolError(`reference ${number} has no name`);
      this.#setVersion(number, version);
      this.#state[number] = state;
      this.#fetchedAt[number] = fetchedAt ?? 0;
    }
    this.complete = complete;
    this.#changed(true);
  }

  /** Its link has ended. */
  leave(): void {
    this.#left = true;
    if (!this.#joined) return;
    for (let number = 0; number < this.#secret.length; number++) this.#free(number);
    this.#secret = new Int32Array(0);
    this.#version = new Int32Array(0);
    this.#state = new Uint8Array(0);
    this.#fetchedAt = new Uint32Array(0);
    this.#joined = false;
    this.#changed(false);
  }

  get entryBytes(): number {
    return this.#secret.length * BYTES_OF_AN_ENTRY;
  }

  /** Bytes, about, that would be free without it: of texts that others hold too, its part. */
  cost(): number {
    let characters = 0;
    for (let number = 0; number < this.#secret.length; number++) {
      if (this.#secret[number]! === NONE) continue;
      characters += this.#secrets.share(this.#secret[number]!);
      if (this.#version[number]! !== NONE) characters += this.#versions.share(this.#version[number]!);
    }
    return characters + this.entryBytes;
  }

  addTo(groups: Array<Group[] | undefined>): void {
    for (let number = 0; number < this.#secret.length; number++) {
      const secret = this.#secret[number]!;
      const state = this.#state[number]!;
      if (secret === NONE || state === NOT_TOLD) continue;
      let version = this.#version[number]!;
      const fetchedAt = this.#fetchedAt[number] || Infinity;
      groups[secret] ??= [];
      const find = () => groups[secret]!.find((known) => known.version === version && known.state === state);
      let group = find();
      if (!group && groups[secret].length >= MAX_SERVINGS) {
        version = OTHER;
        group = find();
      }
      if (!group) groups[secret].push({ version, state, count: 1, oldest: fetchedAt });
      else {
        group.count++;
        if (fetchedAt < group.oldest) group.oldest = fetchedAt;
      }
    }
  }

  #name(number: number, vault: string, reference: string): void {
    // A data plane gives numbers in order: what is kept by number is not to grow by one message of one large number.
    if (number >= this.#numbers + MOST_REFERENCES_A_MESSAGE) {
      throw new ProtocolError(`reference ${number} is numbered out of order`);
    }
    this.#numbers = Math.max(this.#numbers, number + 1);
    this.#grow(number);
    this.#free(number);
    const text = `${vault}\0${reference}`;
    this.#nameCharacters += text.length;
    if (this.#nameCharacters > MOST_NAME_CHARACTERS) throw new ProtocolError('the names of references are too long');
    this.#secret[number] = this.#secrets.acquire(text);
    this.#state[number] = NOT_TOLD;
  }

  #free(number: number): void {
    const secret = this.#secret[number] ?? NONE;
    if (secret === NONE) return;
    this.#nameCharacters -= this.#secrets.text(secret).length;
    this.#secrets.release(secret);
    this.#secret[number] = NONE;
    this.#setVersion(number, null);
  }

  #setVersion(number: number, id: string | null): void {
    const before = this.#version[number]!;
    // First the new one: if it is the old one, that stays.
    this.#version[number] = id === null ? NONE : this.#versions.acquire(id);
    if (before !== NONE) this.#versions.release(before);
  }

  #grow(number: number): void {
    const before = this.#secret.length;
    if (number < before) return;
    const length = Math.min(MOST_REFERENCES, Math.max(64, 2 * before, number + 1));
    const copy = <T extends Int32Array | Uint8Array | Uint32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#secret = copy(new Int32Array(length).fill(NONE), this.#secret);
    this.#version = copy(new Int32Array(length).fill(NONE), this.#version);
    this.#state = copy(new Uint8Array(length).fill(NOT_TOLD), this.#state);
    this.#fetchedAt = copy(new Uint32Array(length), this.#fetchedAt);
  }
}
