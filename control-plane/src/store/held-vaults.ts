import type { MarkedPosition } from './config-state.ts';
import { KnownVaults } from './known-vaults.ts';
import type { VaultChange } from './vault-change.ts';

/** Vaults and absences of some that are held at most; beyond it all are forgotten, and read again when they are needed. */
const MOST_HELD = 4000;

/**
 * What a store knows of the vaults from one transaction to the next. It holds for as long as the database is at the
 * position where the store found it last, or left it: whoever goes by it has the database compare the mark.
 */
export class HeldVaults {
  #position: MarkedPosition | undefined;
  #vaults = new KnownVaults();

  /** Undefined where nothing is known. */
  get position(): MarkedPosition | undefined {
    return this.#position;
  }

  /** As they are in the database at the position. */
  get vaults(): KnownVaults {
    return this.#vaults;
  }

  /**
   * The database is here: where somebody else has written since, nothing is known of its vaults.
   *
   * @returns whether somebody has
   */
  meet(position: MarkedPosition): boolean {
    const was = this.#position;
    if (was?.mark === position.mark) return false;
    this.forget();
    this.#position = position;
    return was !== undefined;
  }

  /** The store has written. */
  advance(position: MarkedPosition, changes: readonly VaultChange[]): void {
    this.#position = position;
    for (const { vaultId, after } of changes) {
      if (after) this.#vaults.put(after);
      else this.#vaults.gone(vaultId);
    }
    if (this.#vaults.size > MOST_HELD) this.#vaults = new KnownVaults();
  }

  forget(): void {
    this.#position = undefined;
    this.#vaults = new KnownVaults();
  }
}
