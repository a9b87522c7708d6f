import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import type { Publisher } from '../fleet/publisher.ts';
import type { ConfigStore, PageQuery } from '../store/config-store.ts';
import { DatabaseUnavailable } from '../store/database.ts';
import type { VaultKey } from '../store/known-vaults.ts';

/**
 * The vaults as they are now: as the database has them or, while that can't be reached, as it had them last, since
 * that is what data planes work with then.
 */
export class CurrentVaults {
  readonly #store: ConfigStore;
  readonly #publisher: Publisher;

  constructor(store: ConfigStore, publisher: Publisher) {
    this.#store = store;
    this.#publisher = publisher;
  }

  page(query: PageQuery): Promise<VaultEntity[]> {
    return this.#read(
      () => this.#store.page(query),
      (vaults) => pageOf(vaults, query),
    );
  }

  find(key: VaultKey): Promise<VaultEntity | undefined> {
    return this.#read(
      () => this.#store.find(key),
      (vaults) => vaults.find((vault) => ('id' in key ? vault.id === key.id : vault.prefix === key.prefix)),
    );
  }

  all(): Promise<readonly VaultEntity[]> {
    return this.#read<readonly VaultEntity[]>(
      async () => (await this.#store.load()).vaults,
      (vaults) => vaults,
    );
  }

  async #read<T>(stored: () => Promise<T>, remembered: (vaults: readonly VaultEntity[]) => T): Promise<T> {
    // Known to be away: nobody has to wait until it is found so again.
    if (this.#publisher.databaseError !== undefined) return remembered(this.#publisher.current.vaults);
    try {
      return await stored();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
      return remembered(this.#publisher.current.vaults);
    }
  }
}

function pageOf(vaults: readonly VaultEntity[], { size, after, tags }: PageQuery): VaultEntity[] {
  return vaults
    .filter(({ id }) => after === undefined || id > after)
    .filter((vault) => {
      const own = vault.tags ?? [];
      return (
        (tags?.all?.every((tag) => own.includes(tag)) ?? true) && (tags?.any?.some((tag) => own.includes(tag)) ?? true)
      );
    })
    .slice(0, size);
}
