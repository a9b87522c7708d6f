import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Client } from '../auth/client.ts';
import type { Verdict } from '../auth/policy.ts';
import type { State } from '../cache/lifecycle.ts';
import { ReadingFailure, type Resolved, type ResolveOptions, type Resolver } from '../cache/resolver.ts';
import type { RefusalReason, Refusals } from '../limits/refusals.ts';

/** So many lookups may wait for a vault at once; more would only pile up. A value in memory is given regardless. */
const MOST_WAITING = 10_000;
/** Of these one client may have so many, so that there is room for the others. */
const MOST_WAITING_PER_CLIENT = 5_000;
/** So many secrets are one call to AWS, where they are refreshed together. */
const BATCH_SIZE = 20;

type Outcome = Resolved | VaultplaneError;

/** How answered lookups got their value, and in which state it was. */
export type AnsweredCounts = Record<'immediate' | 'waited' | 'batch', Record<State, number>>;

/** The resolver as applications reach it: within their policies, counted, and with bounds on what they may have under way. */
export class Lookups {
  readonly #resolver: Resolver;
  readonly #refusals: Refusals;
  #waiting = 0;
  #immediate = 0;
  #waited = 0;
  readonly #answered: AnsweredCounts = { immediate: noStates(), waited: noStates(), batch: noStates() };
  readonly #errors = new Map<string, number>();

  constructor(resolver: Resolver, refusals: Refusals) {
    this.#resolver = resolver;
    this.#refusals = refusals;
  }

  /** Lookups so far: from memory at once, after waiting for a vault, and failed, by code. */
  counts(): { immediate: number; waited: number; waiting: number; errors: ReadonlyMap<string, number> } {
    return { immediate: this.#immediate, waited: this.#waited, waiting: this.#waiting, errors: this.#errors };
  }

  /** Answered lookups so far. */
  answered(): AnsweredCounts {
    return this.#answered;
  }

  /** @throws VaultplaneError bad_token for what the client may not read, too_many, and what the resolver throws */
  one(client: Client, reference: string, options: ResolveOptions): Resolved | Promise<Resolved> {
    let result: Resolved | Promise<Resolved>;
    let verdict: Verdict | null = null;
    try {
      verdict = this.#admit(client, reference, options);
      if (options.refresh) this.#allowRefresh(client, 1);
      result = this.#resolver.resolve(reference, options);
      if (!(result instanceof Promise)) {
        this.#check(client, verdict, reference, result);
        this.#immediate++;
        this.#answered.immediate[result.state]++;
        return result;
      }
    } catch (error) {
      throw this.#count(this.#judged(client, verdict, reference, error));
    }
    const judged = isPartial(verdict) ? this.#judgedLater(client, verdict, reference, result) : result;
    return this.#wait(client, judged).then((resolved) => {
      this.#answered.waited[resolved.state]++;
      return resolved;
    });
  }

  /** In the order of the references; one that fails does not fail the others. @throws VaultplaneError too_many */
  async many(client: Client, references: readonly string[], options: ResolveOptions): Promise<Outcome[]> {
    const outcomes: Array<Outcome | null> = [];
    const admitted: Array<{ at: number; verdict: Verdict | null }> = [];
    for (const [at, reference] of references.entries()) {
      try {
        admitted.push({ at, verdict: this.#admit(client, reference, options) });
        outcomes.push(null);
      } catch (error) {
        outcomes.push(asOutcome(error));
      }
    }
    if (options.refresh) this.#allowRefresh(client, Math.ceil(admitted.length / BATCH_SIZE));
    const asked = admitted.map(({ at }) => references[at]!);
    const results = await this.#wait(client, this.#resolver.resolveMany(asked, options));
    for (const [index, result] of results.entries()) {
      const { at, verdict } = admitted[index]!;
      outcomes[at] = this.#judgedOutcome(client, verdict, references[at]!, result);
    }
    for (const outcome of outcomes as Outcome[]) {
      if (outcome instanceof VaultplaneError) this.#count(outcome);
      else this.#answered.batch[outcome.state]++;
    }
    return outcomes as Outcome[];
  }

  /**
   * As Resolver.watch.
   *
   * @throws VaultplaneError bad_token for what the client may not read
   */
  watch(client: Client, reference: string, listener: (event: Outcome) => void): () => void {
    const verdict = this.#admit(client, reference, {});
    return this.#resolver.watch(reference, (event) => {
      listener(this.#judgedOutcome(client, verdict, reference, event));
    });
  }

  /** What is wrong with the reference itself is the resolver's to say: null. A policy that can't be asked allows nothing. */
  #verdict({ policy }: Client, reference: string): Verdict | null {
    if (policy === null) return null;
    try {
      return policy.verdict(reference);
    } catch (error) {
      return error instanceof VaultplaneError ? null : { allowed: false };
    }
  }

  #admit(client: Client, reference: string, { roleArn }: ResolveOptions): Verdict | null {
    const verdict = this.#verdict(client, reference);
    if (verdict && !verdict.allowed) throw this.#refuse(client, 'policy', reference);
    if (roleArn !== undefined && client.policy && !client.policy.allowsRole(roleArn)) {
      throw this.#refuse(client, 'role', reference);
    }
    return verdict;
  }

  /** By the other reading the reference names another secret than the policy allows: nothing of that one is told. */
  #check(client: Client, verdict: Verdict | null, reference: string, { reading }: { reading: string }): void {
    if (isPartial(verdict) && verdict.onlyReading !== reading) throw this.#refuse(client, 'policy', reference);
  }

  #judged(client: Client, verdict: Verdict | null, reference: string, error: unknown): unknown {
    if (!(error instanceof ReadingFailure)) return error;
    try {
      this.#check(client, verdict, reference, error);
      return error;
    } catch (refusal) {
      return refusal;
    }
  }

  async #judgedLater(
    client: Client,
    verdict: Verdict | null,
    reference: string,
    result: Promise<Resolved>,
  ): Promise<Resolved> {
    try {
      const resolved = await result;
      this.#check(client, verdict, reference, resolved);
      return resolved;
    } catch (error) {
      throw this.#judged(client, verdict, reference, error);
    }
  }

  #judgedOutcome(client: Client, verdict: Verdict | null, reference: string, outcome: Outcome): Outcome {
    if (outcome instanceof VaultplaneError) return asOutcome(this.#judged(client, verdict, reference, outcome));
    try {
      this.#check(client, verdict, reference, outcome);
      return outcome;
    } catch (error) {
      return asOutcome(error);
    }
  }

  #refuse(client: Client, reason: RefusalReason, reference: string): VaultplaneError {
    this.#refusals.add(reason, { client: client.name });
    return new VaultplaneError('bad_token', `the policy ${client.name} of this token does not allow ${reference}`);
  }

  #allowRefresh(client: Client, count: number): void {
    const seconds = client.refreshes.take(count);
    if (seconds === 0) return;
    this.#refusals.add('too_many_refreshes', { client: client.name });
    throw new VaultplaneError('too_many', 'too many refreshes; what is held can be had without', {
      retryAfterSeconds: seconds,
    });
  }

  async #wait<T>(client: Client, result: Promise<T>): Promise<T> {
    if (this.#waiting >= MOST_WAITING || client.waiting >= MOST_WAITING_PER_CLIENT) {
      // Its end is of no interest any more, and must not become an unhandled rejection.
      result.catch(() => {});
      this.#refusals.add('too_many_waiting', { client: client.name });
      throw this.#count(new VaultplaneError('too_many', 'too many lookups are waiting for a vault'));
    }
    this.#waiting++;
    client.waiting++;
    try {
      const value = await result;
      this.#waited++;
      return value;
    } catch (error) {
      throw this.#count(error);
    } finally {
      this.#waiting--;
      client.waiting--;
    }
  }

  #count(error: unknown): unknown {
    const code = error instanceof VaultplaneError ? error.code : 'internal';
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    return error;
  }
}

function isPartial(verdict: Verdict | null): verdict is { allowed: true; onlyReading: string } {
  return verdict?.allowed === true && verdict.onlyReading !== undefined;
}

function noStates(): Record<State, number> {
  return { fresh: 0, stale: 0, resurrected: 0 };
}

function asOutcome(error: unknown): VaultplaneError {
  if (error instanceof VaultplaneError) return error;
  throw error;
}
