import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { ConfigStore } from '../store/config-store.ts';
import type { WithheldVault } from '../store/vault-sealing.ts';
import type { Publisher } from './publisher.ts';

/** So many are named in one log line; /status has them all. */
const MAX_NAMED = 20;

/** Vaults of the newest configuration whose credentials can't be decrypted: for /status, and for the log when they change. */
export class WithheldVaults {
  readonly #store: ConfigStore;
  readonly #publisher: Publisher;
  readonly #log: Log;
  readonly #unfollow: () => void;
  #current: readonly WithheldVault[] = [];

  constructor({ store, publisher, log }: { store: ConfigStore; publisher: Publisher; log: Log }) {
    this.#store = store;
    this.#publisher = publisher;
    this.#log = log;
    this.#look();
    this.#unfollow = publisher.follow(() => this.#look());
  }

  get current(): readonly WithheldVault[] {
    return this.#current;
  }

  stop(): void {
    this.#unfollow();
  }

  #look(): void {
    const before = this.#current;
    this.#current = this.#store.withheld(this.#publisher.current.vaults);
    if (JSON.stringify(before) === JSON.stringify(this.#current)) return;
    if (this.#current.length === 0) {
      this.#log.info({}, 'the credentials of all vaults can be decrypted again');
      return;
    }
    this.#log.error(
      { vaults: this.#current.slice(0, MAX_NAMED) },
      'credentials of vaults can not be decrypted; data planes get these vaults without them, and go on with what they hold',
    );
  }
}
