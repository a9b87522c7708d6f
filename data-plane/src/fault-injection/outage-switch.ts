import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { Entry } from '../cache/entry.ts';

/** What a data plane can be cut off from on purpose: its control planes, or all vaults of one type. */
export type Outage = 'cp-outage' | `${string}-outage`;
export const OUTAGES: readonly Outage[] = [
  'cp-outage',
  ...[...VAULT_TYPES.values()].filter(({ local }) => !local).map(({ name }): Outage => `${name}-outage`),
];

/** Secrets that are named in a report; more are only counted. */
const MOST_NAMED = 100;

/**
 * Whether this data plane is cut off from something on purpose just now. Whoever talks to control planes or to vaults
 * asks here first.
 */
export class OutageSwitch {
  #current: { outage: Outage; strict: boolean } | null = null;
  #missed = new Map<string, number>();
  #missedTimes = 0;

  /** @param strict fetches of what is not held are cut off too; without it they are let through, and noted */
  cut(outage: Outage, strict: boolean): void {
    this.#current = { outage, strict };
    this.#missed = new Map();
    this.#missedTimes = 0;
  }

  restore(): void {
    this.#current = null;
  }

  get current(): Outage | null {
    return this.#current?.outage ?? null;
  }

  /** Fetches that had to be let through, or failed, since nothing was held that could be served instead. */
  get missed(): { times: number; secrets: Array<{ secret: string; times: number }> } {
    return { times: this.#missedTimes, secrets: [...this.#missed].map(([secret, times]) => ({ secret, times })) };
  }

  /** @throws Error while control planes are cut off */
  refuseControlPlane(): void {
    if (this.current === 'cp-outage') throw new Error('a drill (cp-outage) keeps this data plane from it');
  }

  /**
   * Why a vault may not be asked for a secret now; null where it may. What is held is refused, so that it is served as in
   * an outage; a lookup that holds nothing is what would have failed.
   */
  refusalOf({ scope, path, held }: Entry): BackendError | null {
    const { name, description } = scope.vault.type;
    if (this.#current?.outage !== `${name}-outage`) return null;
    if (held === null) {
      this.#miss(`${scope.vault.prefix}/${path}`);
      if (!this.#current.strict) return null;
    }
    return new BackendError('unavailable', `a drill (${name}-outage) keeps this data plane from ${description}`);
  }

  #miss(secret: string): void {
    this.#missedTimes++;
    const times = this.#missed.get(secret) ?? 0;
    if (times > 0 || this.#missed.size < MOST_NAMED) this.#missed.set(secret, times + 1);
  }
}
