import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { VariableRules, variableName } from '@vaultplane/model/vaults/variable-rules.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext, BackendFamily, FetchedSecret, SecretBackend } from './backend.ts';

/** Environment variables as secrets, within the rules of the program. */
class EnvBackend implements SecretBackend {
  readonly scope = 'env';
  readonly description = "the program's environment";
  readonly #env: NodeJS.ProcessEnv;
  readonly #prefix: string | undefined;
  readonly #rules: VariableRules;

  constructor(env: NodeJS.ProcessEnv, prefix: string | undefined, rules: VariableRules) {
    this.#env = env;
    this.#prefix = prefix;
    this.#rules = rules;
  }

  async fetch(query: SecretQuery): Promise<FetchedSecret> {
    const found = this.#find(query);
    if (found instanceof BackendError) throw found;
    return found;
  }

  async fetchMany(queries: readonly SecretQuery[]): Promise<Array<FetchedSecret | BackendError>> {
    return queries.map((query) => this.#find(query));
  }

  #find({ path, version }: SecretQuery): FetchedSecret | BackendError {
    const name = variableName(this.#prefix ?? '', path, version.stage);
    const refusal = this.#rules.refusal(this.#prefix, name);
    if (refusal !== undefined) return new BackendError('access_denied', refusal);
    const text = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
    if (text === undefined)
      return new BackendError('not_found', `the environment variable ${shownName(name)} is not set`);
    return { value: SecretValue.ofText(text), version: { id: null, stages: [] }, createdAt: null, arn: null, name };
  }
}

export function startFamily({ env, variables = new VariableRules({}) }: BackendContext): BackendFamily {
  return {
    open: async ({ prefix }: VaultConfig) =>
      new EnvBackend(env, typeof prefix === 'string' ? prefix : undefined, variables),
    stop() {},
  };
}
