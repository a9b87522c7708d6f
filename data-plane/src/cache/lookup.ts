import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { triesNextReading } from '@vaultplane/model/references/reference.ts';
import type { Binding } from './binding.ts';
import type { Entry } from './entry.ts';
import type { Held } from './held.ts';
import type { State } from './lifecycle.ts';
import type { ResolvedValue } from './resolved.ts';
import { passingKeyOf } from './secret-address.ts';

export interface ResolveOptions {
  /** Asks the vault, whatever is held; simultaneous ones ask once. */
  refresh?: boolean;
  /** Under this role instead of the vault's own; one of its `allowed_role_arns`. */
  roleArn?: string | undefined;
}

/** What a lookup needs of the resolver. */
export interface LookupContext {
  now(): number;
  /** @throws VaultplaneError where a reference means nothing */
  bind(text: string, roleArn: string | undefined): Binding;
  entryOf(binding: Binding, reading: number): Entry;
  /** Why a secret's upstream may not be asked now. */
  refusalAt(now: number, entry: Entry): BackendError | null;
  /**
   * Fetches a secret; its entry stays in the cache until that has ended. Never rejects.
   *
   * @param anew what the vault answers from now on, not what a call that is under way brings
   */
  ask(entry: Entry, anew: boolean): Promise<Held | BackendError>;
}

/** What a reading gave: a value, and whether it was fetched for this very lookup. */
interface Read {
  held: Held;
  state: State;
  asked: boolean;
}

/** A reading of a reference holds, and what is asked of its secret can't be had. */
export class ReadingFailure extends VaultplaneError {
  /** As a reference. */
  readonly reading: string;

  constructor(reading: string, { code, message }: VaultplaneError) {
    super(code, `${reading}: ${message}`);
    this.reading = reading;
  }

  /** The same, with what came of the other reading. */
  and(others: readonly VaultplaneError[]): ReadingFailure {
    const told = [this.message.slice(`${this.reading}: `.length), ...others.map(({ message }) => message)];
    const message = others.length > 0 ? `neither reading of the reference holds: ${told.join('; ')}` : told[0]!;
    return new ReadingFailure(this.reading, new VaultplaneError(this.code, message));
  }
}

type Answer = ResolvedValue | VaultplaneError;

interface Item {
  text: string;
  binding: Binding | null;
  answer: Answer | null;
}

/** A secret that is being fetched for a lookup. */
export interface Asked {
  readonly entry: Entry;
  readonly result: Promise<Held | BackendError>;
}

const ASK = Symbol('ask');

/**
 * The answer to one lookup of any number of references. It goes as far as it can without waiting and says what is to be
 * fetched; told what came of that, it goes on. Every answer is made anew in the last step, which does not wait: so all
 * references to one secret are answered from one fetched version (specification.md §3), whatever rotated meanwhile.
 */
export class Lookup {
  readonly #context: LookupContext;
  readonly #refresh: boolean;
  readonly #items: Item[];
  /** By key: an entry that leaves the cache meanwhile, as a miss that is not remembered does, still is this lookup's. */
  readonly #entries = new Map<string, Entry>();
  /** What fetching gave; no entry is fetched twice for one lookup. */
  readonly #asked = new Map<Entry, Held | BackendError>();

  constructor(context: LookupContext, references: readonly string[], { refresh, roleArn }: ResolveOptions) {
    this.#context = context;
    this.#refresh = refresh === true;
    this.#items = references.map((text) => {
      try {
        return { text, binding: context.bind(text, roleArn), answer: null };
      } catch (error) {
        return { text, binding: null, answer: asVaultplaneError(error) };
      }
    });
  }

  /** The secrets that are now fetched, before the answer is known; none: it is known. */
  advance(): Asked[] {
    const asked = new Map<Entry, Asked>();
    for (const item of this.#items) {
      if (item.binding === null) continue;
      const step = this.#answer(item.binding);
      if ('ask' in step) {
        const entry = step.ask;
        // At once: what is made for the other references may need room.
        if (!asked.has(entry)) asked.set(entry, { entry, result: this.#context.ask(entry, this.#refresh) });
      } else item.answer = step.answer;
    }
    return [...asked.values()];
  }

  /** What came of fetching an entry that `advance` asked for. */
  settle(entry: Entry, result: Held | BackendError): void {
    this.#asked.set(entry, result);
  }

  /** In the order of the references; to be called once nothing is wanted any more. */
  answers(): Answer[] {
    return this.#items.map(({ answer }) => answer!);
  }

  #answer(binding: Binding): { ask: Entry } | { answer: Answer } {
    const first = this.#firstReading(binding);
    const order = binding.readings.length === 1 ? [0] : [first, 1 - first];
    const errors: Array<BackendError | ReadingFailure> = [];
    for (const reading of order) {
      const entry = this.#entryOf(binding, reading);
      const found = this.#read(entry, binding);
      if (found === ASK) return { ask: entry };
      const step = found instanceof BackendError ? { answer: found } : this.#pick(binding, reading, entry, found);
      if ('ask' in step || !isFailure(step.answer)) return step;
      const { answer: failure } = step;
      if (failure instanceof ReadingFailure && !triesNextReading(binding.text, failure.code)) return step;
      errors[reading] = failure;
      // Not reaching the vault says nothing about whether the secret is there.
      if (failure.code === 'unavailable') break;
    }
    return { answer: this.#failure(binding, errors) };
  }

  #entryOf(binding: Binding, reading: number): Entry {
    const key = passingKeyOf(binding.secretAddress(reading));
    const known = this.#entries.get(key);
    // What it was asked for is its last word; any other that has left is had anew, shared with whoever else asks.
    if (known?.dropped && this.#asked.has(known)) return known;
    const entry = this.#context.entryOf(binding, reading);
    this.#entries.set(key, entry);
    return entry;
  }

  /** The reading that held is not given up for as long as its secret is held. */
  #firstReading(binding: Binding): number {
    return binding.entry(binding.heldReading)?.held ? binding.heldReading : 0;
  }

  #read(entry: Entry, { lifetimes }: Binding): Read | BackendError | typeof ASK {
    const now = this.#context.now();
    const result = this.#asked.get(entry);
    if (result === undefined && this.#refresh) return ASK;
    const state = entry.stateFor(lifetimes, now);
    if (state) return { held: entry.held!, state, asked: result !== undefined };
    if (result instanceof BackendError) return result;
    // Fetched, but not kept: there was no room for it, or its whole life is shorter than the lookup.
    if (result) return { held: result, state: 'fresh', asked: true };
    return entry.refusalFor(lifetimes, now) ?? this.#context.refusalAt(now, entry) ?? ASK;
  }

  #pick(
    binding: Binding,
    reading: number,
    entry: Entry,
    { held, state, asked }: Read,
  ): { ask: Entry } | { answer: Answer } {
    try {
      const resolved = binding.pick(reading, held, state);
      binding.remember(reading, held, resolved);
      return { answer: resolved };
    } catch (error) {
      const failed = asVaultplaneError(error);
      if (failed.code === 'key_not_found' && !asked && this.#mayAskForKey(entry, binding)) return { ask: entry };
      return { answer: new ReadingFailure(binding.readings[reading]!.text, failed) };
    }
  }

  /** A missing key is a miss like any other: after neg_ttl the secret is fetched again, since it may have it by now. */
  #mayAskForKey(entry: Entry, { lifetimes }: Binding): boolean {
    const now = this.#context.now();
    return now >= entry.fetchedAt + lifetimes.negTtl && !entry.refusalFor(lifetimes, now);
  }

  #failure(binding: Binding, failures: ReadonlyArray<BackendError | ReadingFailure>): VaultplaneError {
    const errors = failures.filter((error) => error instanceof BackendError);
    const unavailable = errors.find(({ code }) => code === 'unavailable');
    const withoutKey = failures.find((error) => error instanceof ReadingFailure);
    // As a failure of that reading: whoever may not read its secret is told nothing of it.
    if (withoutKey && !unavailable) return withoutKey.and(errors);
    const entry = binding.entry(failures.length - 1);
    const now = this.#context.now();
    const last = errors.at(-1)!;
    const code = unavailable?.code ?? failures[0]?.code ?? last.code;
    const readings = errors.length > 1 ? `neither reading of the reference holds: ` : '';
    const retryAfterSeconds = unavailable && (unavailable.retryAfterSeconds ?? entry?.retryAfterSeconds(now) ?? 1);
    return new VaultplaneError(code, readings + errors.map(({ message }) => message).join('; '), {
      cause: unavailable ?? errors[0] ?? last,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    });
  }
}

function isFailure(answer: ResolvedValue | VaultplaneError): answer is BackendError | ReadingFailure {
  return answer instanceof BackendError || answer instanceof ReadingFailure;
}

function asVaultplaneError(error: unknown): VaultplaneError {
  if (error instanceof VaultplaneError) return error;
  return new VaultplaneError('internal', 'the lookup failed in a way that it should not');
}
