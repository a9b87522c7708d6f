import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';

export type VaultKey = { id: string } | { prefix: string };

/** Vaults by id and by prefix, among them those of which it is known that there are none. */
export class KnownVaults {
  /** Null: there is none. */
  readonly #byId = new Map<string, VaultEntity | null>();
  readonly #byPrefix = new Map<string, VaultEntity | null>();

  /** Of ids and prefixes together. */
  get size(): number {
    return this.#byId.size + this.#byPrefix.size;
  }

  /** @returns undefined where it is not known; null where there is none */
  find(key: VaultKey): VaultEntity | null | undefined {
    return 'id' in key ? this.#byId.get(key.id.toLowerCase()) : this.#byPrefix.get(key.prefix);
  }

  put(vault: VaultEntity): void {
    this.gone(vault.id);
    this.#byId.set(vault.id.toLowerCase(), vault);
    this.#byPrefix.set(vault.prefix, vault);
  }

  /** There is no vault of this id (any more), nor of the prefix that it had. */
  gone(id: string): void {
    const was = this.#byId.get(id.toLowerCase());
    if (was && this.#byPrefix.get(was.prefix)?.id === was.id) this.#byPrefix.set(was.prefix, null);
    this.#byId.set(id.toLowerCase(), null);
  }

  missing(key: VaultKey): void {
    if ('id' in key) this.#byId.set(key.id.toLowerCase(), null);
    else this.#byPrefix.set(key.prefix, null);
  }

  /** Each id that is known, with its vault. */
  entries(): Iterable<[id: string, vault: VaultEntity | null]> {
    return this.#byId;
  }
}
