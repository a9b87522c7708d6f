import type { VaultConfig } from '../vaults/entity.ts';
import { VAULT_TYPES } from '../vaults/vault-types.ts';
import type { BackendContext, BackendFamily, Caller, SecretBackend } from './backend.ts';

/** Opens the backend of a vault type, and stops what they share. */
export interface BackendSource {
  open(type: string, config: VaultConfig, regionFrom?: string): Promise<SecretBackend>;
  stop(): void;
}

/** The backends of every vault type of this build. */
export class Backends implements BackendSource {
  readonly #context: BackendContext;
  readonly #families = new Map<string, Promise<BackendFamily>>();
  #stopped = false;

  constructor(context: BackendContext) {
    this.#context = context;
  }

  /** @throws Error for a vault type that is not in VAULT_TYPES, and after `stop` */
  async open(type: string, config: VaultConfig, regionFrom?: string): Promise<SecretBackend> {
    return (await this.#family(type)).open(config, regionFrom);
  }

  /**
   * As whom vaults of this configuration are asked; undefined for a type that knows no identities.
   *
   * @throws BackendError
   */
  async caller(type: string, config: VaultConfig): Promise<Caller | undefined> {
    return (await this.#family(type)).caller?.(config);
  }

  #family(type: string): Promise<BackendFamily> {
    if (this.#stopped) throw new Error('the backends are stopped');
    let family = this.#families.get(type);
    if (!family) {
      const known = VAULT_TYPES.get(type);
      if (!known) throw new Error(`there is no backend for vaults of type ${type}`);
      family = known.loadBackend().then((module) => module.startFamily(this.#context));
      this.#families.set(type, family);
    }
    return family;
  }

  stop(): void {
    this.#stopped = true;
    for (const family of this.#families.values()) {
      family.then(
        (started) => started.stop(),
        () => {},
      );
    }
    this.#families.clear();
  }
}
