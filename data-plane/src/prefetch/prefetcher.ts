import type { SecretTag } from '@vaultplane/backends/backend.ts';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { parseReference } from '@vaultplane/model/references/reference.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { Backoff, jitter, type Random } from '../cache/backoff.ts';
import type { NamedReference } from '../cache/continuity.ts';
import type { PrefetchItem } from './prefetch-setting.ts';

/** As many as BatchGetSecretValue takes. */
const GROUP_SIZE = 20;
/** From the end of one group to the beginning of the next, with jitter: prefetching leaves room for lookups. */
const PAUSE_MS = 100;
/** Data planes that start together do not ask together. */
const LONGEST_START_MS = 500;
/** One that can't be reached is tried again after this, and after what its vault as a whole calls for. */
const RETRY_MS = 5000;
/** How often the secrets with a tag are looked for anew. */
const LIST_AGAIN_MS = 15 * 60_000;
/** The failures shown on /status. */
const MOST_SHOWN = 100;

export interface PrefetcherOptions {
  /** From the setting. */
  items: readonly PrefetchItem[];
  /** Those that were in use before the start. */
  inUse: readonly NamedReference[];
  /** No more references than these: more would push each other out of the cache. */
  most: number;
  /** As Continuity.prefetch. */
  prefetch: (references: readonly string[], roleArn?: string) => Promise<Array<VaultplaneError | null>>;
  /** As Resolver.tagged. */
  tagged: (vault: string, tag: SecretTag, signal: AbortSignal) => Promise<string[]>;
  clock: Clock;
  random: Random;
  log: Log;
}

/** For /status. */
export interface PrefetchFacts {
  had: number;
  waiting: number;
  failed: Array<{ what: string; code: string; message: string }>;
}

type Outcome = 'waiting' | 'had' | VaultplaneError;

interface Task {
  /** For people: the reference, or the item of the setting. */
  what: string;
  vault: string;
  tag?: SecretTag;
  roleArn?: string | undefined;
  /** The tag that it was found by. */
  foundBy?: Task;
  outcome: Outcome;
  /** The clock's monotonic time before which it is not tried again. */
  retryAt: number;
  /** The code that was last logged. */
  told?: string;
}

/**
 * Fetches references in the background so that the first lookup finds them (specification.md §4): those of the setting
 * `prefetch`, and those that were in use before a restart. Group by group with pauses, each vault that can't be reached
 * left alone for longer and longer; what can't be had is a line in the log, and tried again with the next configuration.
 */
export class Prefetcher {
  readonly #options: PrefetcherOptions;
  readonly #tasks = new Map<string, Task>();
  readonly #unreachable = new Map<string, Backoff>();
  readonly #stop = new AbortController();
  #running = false;
  #again = false;
  #cancelTimer = () => {};
  #endPause = () => {};
  #cancelListing = () => {};

  constructor(options: PrefetcherOptions) {
    this.#options = options;
    for (const item of options.items) {
      if ('tag' in item) this.#addTag(item.tag, item.vault);
    }
    for (const { reference, roleArn } of options.inUse) this.#addReference(reference, { roleArn });
    for (const item of options.items) {
      if ('reference' in item) this.#addReference(item.reference, {});
    }
  }

  /** Begins soon. What is of a vault that no configuration has told of yet waits for one. */
  start(): void {
    if (this.#tasks.size === 0) return;
    this.#later(this.#options.random() * LONGEST_START_MS);
    this.#listLater();
  }

  /** There is another configuration: vaults may have come, or may be others now. What is held costs nothing. */
  configured(): void {
    for (const task of this.#tasks.values()) {
      task.outcome = 'waiting';
      task.retryAt = 0;
    }
    if (this.#tasks.size > 0) this.#later(this.#options.random() * LONGEST_START_MS);
  }

  facts(): PrefetchFacts {
    const facts: PrefetchFacts = { had: 0, waiting: 0, failed: [] };
    for (const { what, outcome } of this.#tasks.values()) {
      if (outcome === 'had') facts.had++;
      else if (outcome === 'waiting') facts.waiting++;
      else if (facts.failed.length < MOST_SHOWN) {
        facts.failed.push({ what, code: outcome.code, message: outcome.message });
      }
    }
    return facts;
  }

  /** Does nothing more. A call that is under way is the resolver's to cut short. */
  stop(): void {
    this.#stop.abort();
    this.#cancelTimer();
    this.#cancelListing();
    this.#endPause();
  }

  #addTag(tag: SecretTag, vault: string): void {
    const what = `tag:${tag.key}${tag.value === undefined ? '' : `=${tag.value}`}@${vault}`;
    this.#tasks.set(what, { what, vault, tag, outcome: 'waiting', retryAt: 0 });
  }

  #addReference(reference: string, { roleArn, foundBy }: { roleArn?: string | undefined; foundBy?: Task }): void {
    const key = `${roleArn ?? ''} ${reference}`;
    if (this.#tasks.has(key) || this.#tasks.size >= this.#options.most) return;
    const { vault } = parseReference(reference);
    const task: Task = { what: reference, vault, roleArn, outcome: 'waiting', retryAt: 0 };
    this.#tasks.set(key, foundBy ? { ...task, foundBy } : task);
  }

  #later(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      if (this.#running) this.#again = true;
      else void this.#run();
    });
  }

  #listLater(): void {
    const tags = [...this.#tasks.values()].filter(({ tag }) => tag);
    if (tags.length === 0) return;
    const { clock, random } = this.#options;
    this.#cancelListing = clock.after(LIST_AGAIN_MS * jitter(random), () => {
      for (const task of tags) task.outcome = 'waiting';
      this.#later(0);
      this.#listLater();
    });
  }

  /** Works off what waits and can be had now; then sees when there is something to do again. Never rejects. */
  async #run(): Promise<void> {
    const { clock } = this.#options;
    this.#running = true;
    for (let group = this.#next(); group.length > 0; group = this.#next()) {
      if (group[0]!.tag) await this.#list(group[0]!, group[0]!.tag);
      else await this.#fetch(group);
      if (!this.#stop.signal.aborted) await this.#pause();
      if (this.#stop.signal.aborted) return;
    }
    this.#running = false;
    let next = Infinity;
    for (const task of this.#tasks.values()) {
      if (task.outcome === 'waiting') next = Math.min(next, this.#notBefore(task));
    }
    if (this.#again) this.#later(0);
    else if (next < Infinity) this.#later(Math.max(0, next - clock.monotonic()));
    this.#again = false;
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(PAUSE_MS * jitter(random), resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  #notBefore({ vault, retryAt }: Task): number {
    return Math.max(retryAt, this.#unreachable.get(vault)?.until ?? 0);
  }

  /** One tag, or references that one call may fetch; none where nothing can be done now. */
  #next(): Task[] {
    const now = this.#options.clock.monotonic();
    let group: Task[] = [];
    for (const task of this.#tasks.values()) {
      if (task.outcome !== 'waiting' || this.#notBefore(task) > now) continue;
      if (group.length === 0) group = [task];
      else if (!task.tag && task.vault === group[0]!.vault && task.roleArn === group[0]!.roleArn) group.push(task);
      if (group[0]!.tag || group.length === GROUP_SIZE) break;
    }
    return group;
  }

  async #fetch(group: Task[]): Promise<void> {
    const errors = await this.#options.prefetch(
      group.map(({ what }) => what),
      group[0]!.roleArn,
    );
    for (const [index, task] of group.entries()) this.#settle(task, errors[index] ?? null);
    this.#observe(group[0]!.vault, errors);
  }

  async #list(task: Task, tag: SecretTag): Promise<void> {
    let error: VaultplaneError | null = null;
    try {
      const references = await this.#options.tagged(task.vault, tag, this.#stop.signal);
      const found = new Set(references);
      for (const [key, { foundBy, what }] of this.#tasks)
        if (foundBy === task && !found.has(what)) this.#tasks.delete(key);
      for (const reference of references) this.#addReference(reference, { foundBy: task });
      this.#options.log.info(
        { prefetch: task.what, secrets: references.length },
        'secrets to prefetch have been listed',
      );
    } catch (thrown) {
      error = thrown instanceof VaultplaneError ? thrown : new VaultplaneError('internal', 'listing secrets failed');
    }
    this.#settle(task, error);
    this.#observe(task.vault, [error]);
  }

  #settle(task: Task, error: VaultplaneError | null): void {
    task.outcome = error ?? 'had';
    if (error?.code === 'unavailable') {
      // Not reaching a vault says nothing about the secret.
      task.outcome = 'waiting';
      task.retryAt = this.#options.clock.monotonic() + RETRY_MS * jitter(this.#options.random);
    }
    // A configuration that is still to come is no failure.
    if (this.#stop.signal.aborted || task.told === error?.code || error?.code === 'not_ready') return;
    if (error) {
      const { code, message } = error;
      this.#options.log.info({ prefetch: task.what, code, reason: message }, 'could not be had in advance');
      task.told = code;
    } else {
      delete task.told;
    }
  }

  /** Whether a vault can be reached at all; a reference may name a region of its own. */
  #observe(vault: string, errors: ReadonlyArray<VaultplaneError | null>): void {
    const unavailable = errors.every((error) => error?.code === 'unavailable');
    if (!unavailable) {
      this.#unreachable.delete(vault);
      return;
    }
    const backoff = this.#unreachable.get(vault) ?? new Backoff(this.#options.random);
    backoff.failed(this.#options.clock.monotonic());
    this.#unreachable.set(vault, backoff);
  }
}
