import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { isCredentialReference } from '@vaultplane/model/vaults/credential-elsewhere.ts';
import type { ConfigValue, VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { isWithheld, sensitiveFields } from '@vaultplane/model/vaults/sensitive.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';

/**
 * Gives the credential that a reference names.
 *
 * @param anew what is held may be old: ask the vault
 * @throws VaultplaneError
 */
export type CredentialLookup = (reference: string, anew: boolean) => Promise<string>;

/** The credentials of one vault's configuration that stand elsewhere, by references. */
export class Credentials {
  readonly #config: VaultConfig;
  readonly #references: readonly string[];
  readonly #lookUp: CredentialLookup;

  private constructor(config: VaultConfig, references: readonly string[], lookUp: CredentialLookup) {
    this.#config = config;
    this.#references = references;
    this.#lookUp = lookUp;
  }

  /**
   * @returns undefined where none is a reference: all of the configuration is there
   * @throws BackendError unavailable where one is withheld, or can't be looked up by this program
   */
  static of(type: string, config: VaultConfig, lookUp: CredentialLookup | undefined): Credentials | undefined {
    const set = sensitiveFields(type).map(({ name }) => [name, config[name]] as const);
    const withheld = set.find(([, value]) => isWithheld(value));
    if (withheld) {
      throw new BackendError(
        'unavailable',
        `config.${withheld[0]} of the vault is a credential that this data plane does not have: its disk keeps one only under secrets_key_file, and a control plane gives it unless it can't decrypt it (its /status names such vaults)`,
      );
    }
    const references = set.filter(([, value]) => isCredentialReference(value)).map(([name]) => name);
    if (references.length === 0) return undefined;
    if (!lookUp) {
      throw new BackendError('unavailable', `config.${references[0]} is a reference, and can't be resolved here`);
    }
    return new Credentials(config, references, lookUp);
  }

  /**
   * The configuration with the credentials in it.
   *
   * @throws BackendError unavailable, naming the reference
   */
  async complete(anew: boolean): Promise<VaultConfig> {
    const found = this.#references.map(async (name) => [name, await this.#find(name, this.#config[name]!, anew)]);
    return { ...this.#config, ...Object.fromEntries(await Promise.all(found)) };
  }

  async #find(name: string, value: ConfigValue, anew: boolean): Promise<ConfigValue> {
    if (Array.isArray(value)) return Promise.all(value.map((reference) => this.#lookUpOne(name, reference, anew)));
    return this.#lookUpOne(name, String(value), anew);
  }

  async #lookUpOne(name: string, reference: string, anew: boolean): Promise<string> {
    try {
      return await this.#lookUp(reference, anew);
    } catch (error) {
      throw new BackendError('unavailable', `config.${name} = ${reference} of the vault: ${errorMessage(error)}`);
    }
  }
}
