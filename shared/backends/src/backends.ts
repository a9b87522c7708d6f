import { DEFAULT_POLICY } from '@vaultplane/model/upstream-policy/policy.ts';
import { verdictOf } from '@vaultplane/model/upstream-policy/verdict.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { BackendContext, BackendFamily, Caller, Opening, SecretBackend, UpstreamCounts } from './backend.ts';
import { type CredentialLookup, Credentials } from './credentials.ts';
import { RenewingBackend } from './http/renewing-backend.ts';
import { BACKENDS } from './registry.ts';

/** Opens the backend of a vault type, and stops what they share. */
export interface BackendSource {
  open(type: string, config: VaultConfig, opening: Opening): Promise<SecretBackend>;
  stop(): void;
}

export interface BackendsOptions {
  /** For vaults whose credentials are references; without it none of those can be opened. */
  lookUpCredential?: CredentialLookup;
  /** Where calls to vaults of a type are counted; without it all are counted by the context. */
  countsOf?: (type: string) => UpstreamCounts;
}

/** The backends of every vault type of this build. */
export class Backends implements BackendSource {
  readonly #context: BackendContext;
  readonly #options: BackendsOptions;
  readonly #families = new Map<string, Promise<BackendFamily>>();
  #stopped = false;

  constructor(context: BackendContext, options: BackendsOptions = {}) {
    this.#context = context;
    this.#options = options;
  }

  /**
   * Opens the backend with the vault's credentials, wherever they are; where the vault refuses them, with new ones.
   *
   * @throws BackendError, PolicyRefusal where upstream_policy does not let a pushed vault be used; Error for a vault type
   *   that is not in BACKENDS, and after `stop`
   */
  async open(type: string, config: VaultConfig, opening: Opening): Promise<SecretBackend> {
    const family = await this.#family(type);
    // Before a credential is looked up for it. Each call is checked again where it leaves.
    this.#refuse(type, config, opening);
    const credentials = Credentials.of(type, config, this.#options.lookUpCredential);
    const given = { ...opening, given: config };
    if (!credentials) return family.open(config, given);
    const open = (complete: VaultConfig) => family.open(complete, given);
    return RenewingBackend.open(credentials, open);
  }

  /**
   * As whom vaults of this configuration are asked; undefined for a type that knows no identities.
   *
   * @throws BackendError
   */
  async caller(type: string, config: VaultConfig, opening: Opening): Promise<Caller | undefined> {
    const family = await this.#family(type);
    this.#refuse(type, config, opening);
    const credentials = family.caller && Credentials.of(type, config, this.#options.lookUpCredential);
    const complete = credentials ? await credentials.complete(false) : config;
    return family.caller?.(complete, { ...opening, given: config });
  }

  #refuse(type: string, config: VaultConfig, { origin }: Opening): void {
    if (origin === 'own') return;
    const policy = this.#context.upstreamPolicy?.() ?? DEFAULT_POLICY;
    const refusal = verdictOf(policy, VAULT_TYPES.get(type)!, config);
    if (refusal) throw refusal;
  }

  #family(type: string): Promise<BackendFamily> {
    if (this.#stopped) throw new Error('the backends are stopped');
    let family = this.#families.get(type);
    if (!family) {
      const known = BACKENDS.get(type);
      if (!known) throw new Error(`there is no backend for vaults of type ${type}`);
      const counts = this.#options.countsOf?.(type) ?? this.#context.counts;
      family = known.load().then((module) => module.startFamily({ ...this.#context, counts }));
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
