import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import type { FetchedSecret, SecretBackend, SecretTag } from '../backend.ts';
import type { Credentials } from '../credentials.ts';

type Open = (config: VaultConfig) => Promise<SecretBackend>;

/** Credentials that are refused and have not changed are not looked up again for so long. */
export const LOOK_AGAIN_AFTER_MS = 5000;

/**
 * A backend whose credentials are looked up elsewhere: when the vault refuses them, they are looked up anew, and what was
 * refused is asked once more if they have changed. A fetch that fails for them costs that one lookup, however many there are.
 */
export class RenewingBackend implements SecretBackend {
  readonly findByTag?: (tag: SecretTag, signal: AbortSignal) => Promise<string[]>;
  readonly #credentials: Credentials;
  readonly #open: Open;
  readonly #clock: Clock;
  #config: VaultConfig;
  #backend: SecretBackend;
  #renewing: Promise<boolean> | null = null;
  /** On the clock's monotonic scale. */
  #lookAgainAt = Number.NEGATIVE_INFINITY;

  private constructor(credentials: Credentials, open: Open, clock: Clock, config: VaultConfig, backend: SecretBackend) {
    this.#credentials = credentials;
    this.#open = open;
    this.#clock = clock;
    this.#config = config;
    this.#backend = backend;
    if (backend.findByTag) {
      this.findByTag = (tag, signal) => this.#ask((current) => current.findByTag!(tag, signal));
    }
  }

  /** @throws BackendError */
  static async open(credentials: Credentials, open: Open, clock: Clock = systemClock): Promise<RenewingBackend> {
    const config = await credentials.complete(false);
    return new RenewingBackend(credentials, open, clock, config, await open(config));
  }

  get scope(): string {
    return this.#backend.scope;
  }

  get description(): string {
    return this.#backend.description;
  }

  fetch(query: SecretQuery, signal: AbortSignal): Promise<FetchedSecret> {
    return this.#ask((backend) => backend.fetch(query, signal));
  }

  async fetchMany(queries: readonly SecretQuery[], signal: AbortSignal): Promise<Array<FetchedSecret | BackendError>> {
    const asked = this.#backend;
    const results = await asked.fetchMany(queries, signal);
    const refused = results.flatMap((result, index) => (isRefusal(result) ? [index] : []));
    if (refused.length === 0 || !(await this.#renew(asked))) return results;
    const again = await this.#backend.fetchMany(
      refused.map((index) => queries[index]!),
      signal,
    );
    for (const [at, index] of refused.entries()) results[index] = again[at]!;
    return results;
  }

  async #ask<T>(call: (backend: SecretBackend) => Promise<T>): Promise<T> {
    const asked = this.#backend;
    try {
      return await call(asked);
    } catch (error) {
      if (!isRefusal(error) || !(await this.#renew(asked))) throw error;
      return call(this.#backend);
    }
  }

  /** @returns whether there is another backend now than the one whose credentials were refused */
  async #renew(refused: SecretBackend): Promise<boolean> {
    if (this.#backend !== refused) return true;
    this.#renewing ??= this.#lookUpAnew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #lookUpAnew(): Promise<boolean> {
    if (this.#clock.monotonic() < this.#lookAgainAt) return false;
    this.#lookAgainAt = this.#clock.monotonic() + LOOK_AGAIN_AFTER_MS;
    try {
      const config = await this.#credentials.complete(true);
      if (JSON.stringify(config) === JSON.stringify(this.#config)) return false;
      this.#backend = await this.#open(config);
      this.#config = config;
      this.#lookAgainAt = Number.NEGATIVE_INFINITY;
      return true;
    } catch (error) {
      // What the vault said of the old ones is the better reason.
      if (error instanceof BackendError) return false;
      throw error;
    }
  }
}

function isRefusal(result: unknown): boolean {
  return result instanceof BackendError && result.credentialsRefused;
}
