import { SecretValue } from '../secret-value.ts';
import type { VaultConfig } from '../vaults/entity.ts';
import {
  type BackendContext,
  BackendError,
  type BackendFamily,
  type FetchedSecret,
  type SecretBackend,
  type SecretQuery,
} from './backend.ts';

/** The environment variable that a secret's name means. Source: Kong's env vault. */
export function variableName(prefix: string, path: string): string {
  return (prefix + path).toUpperCase().replaceAll('-', '_');
}

/** Environment variables as secrets. */
class EnvBackend implements SecretBackend {
  readonly scope = 'env';
  readonly description = "the program's environment";
  readonly #env: NodeJS.ProcessEnv;
  readonly #prefix: string;

  constructor(env: NodeJS.ProcessEnv, prefix: string) {
    this.#env = env;
    this.#prefix = prefix;
  }

  async fetch(query: SecretQuery): Promise<FetchedSecret> {
    const found = this.#find(query);
    if (found instanceof BackendError) throw found;
    return found;
  }

  async fetchMany(queries: readonly SecretQuery[]): Promise<Array<FetchedSecret | BackendError>> {
    return queries.map((query) => this.#find(query));
  }

  #find({ path }: SecretQuery): FetchedSecret | BackendError {
    const name = variableName(this.#prefix, path);
    const text = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
    if (text === undefined) return new BackendError('not_found', `the environment variable ${name} is not set`);
    return { value: SecretValue.ofText(text), version: { id: null, stages: [] }, createdAt: null, arn: null, name };
  }
}

export function startFamily(context: BackendContext): BackendFamily {
  return {
    open: async (config: VaultConfig) =>
      new EnvBackend(context.env, typeof config.prefix === 'string' ? config.prefix : ''),
    stop() {},
  };
}
