import { looksLikeReference } from '@vaultplane/shared/reference.ts';
import { SETTING_KEYS } from '@vaultplane/shared/setting-keys.ts';
import { ClientError } from '../client/client.ts';
import { type LookupResult, lookupError } from './lookup.ts';

/** A child's environment in which some variables stand for secrets. */
export class SecretEnvironment {
  readonly #plain: NodeJS.ProcessEnv;
  /** Variable to reference. */
  readonly #secret: ReadonlyMap<string, string>;

  /**
   * @param inherited the environment of this program; settings of its own in it stay as they are, references or not
   * @param added variables that go over it
   */
  constructor(inherited: NodeJS.ProcessEnv, added: ReadonlyMap<string, string>) {
    const secret = new Map<string, string>();
    this.#plain = { ...inherited };
    for (const [name, value = ''] of Object.entries(inherited)) {
      if (looksLikeReference(value) && !isSetting(name)) secret.set(name, value);
    }
    for (const [name, value] of added) {
      this.#plain[name] = value;
      if (looksLikeReference(value)) secret.set(name, value);
      else secret.delete(name);
    }
    this.#secret = secret;
  }

  /** Each once. */
  get references(): string[] {
    return [...new Set(this.#secret.values())];
  }

  /**
   * The environment with the values in it.
   *
   * @param results of `references`, in their order
   * @throws Error that names the variable, and no value
   */
  withValues(results: readonly LookupResult[]): NodeJS.ProcessEnv {
    const byReference = new Map(this.references.map((reference, index) => [reference, results[index]!]));
    const env = { ...this.#plain };
    for (const [name, reference] of this.#secret) {
      const result = byReference.get(reference)!;
      if (result instanceof ClientError) throw lookupError(result, name);
      if (result.value.includes('\0'))
        throw new Error(`${name}: the value has a NUL, which no environment variable can hold`);
      env[name] = result.value;
    }
    return env;
  }
}

function isSetting(variable: string): boolean {
  const key = /^(?:VAULTPLANE|KONG)_(.+)$/.exec(variable)?.[1];
  return key !== undefined && SETTING_KEYS.has(key.toLowerCase());
}
