import { ClientError } from '@vaultplane/client';
import { looksLikeReference } from '@vaultplane/model/references/reference.ts';
import { SETTING_KEYS } from '@vaultplane/model/settings/setting-keys.ts';
import type { LookupResult } from './lone-lookup.ts';
import { lookupError } from './lookup.ts';

/** A value that no environment variable can have. */
export class UnfitValue extends Error {
  override readonly name = 'UnfitValue';
}

/** Linux's MAX_ARG_STRLEN (execve(2)): bytes of one NAME=value with the NUL behind it, with pages of 4 KiB. */
const MAX_VARIABLE_BYTES = 131_072;

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
   * @throws UnfitValue that names the variable, and no value; Error for a reference that has none
   */
  withValues(results: readonly LookupResult[]): NodeJS.ProcessEnv {
    const byReference = new Map(this.references.map((reference, index) => [reference, results[index]!]));
    const env = { ...this.#plain };
    for (const [name, reference] of this.#secret) {
      const result = byReference.get(reference)!;
      if (result instanceof ClientError) throw lookupError(result, name);
      env[name] = result.value;
    }
    for (const [name, value] of Object.entries(env)) checkVariable(name, value!);
    return env;
  }
}

/** @throws UnfitValue; what the system says instead would show the value, or name no variable */
function checkVariable(name: string, value: string): void {
  if (value.includes('\0'))
    throw new UnfitValue(`${name}: the value has a NUL, which no environment variable can hold`);
  const bytes = Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
  if (process.platform === 'linux' && bytes > MAX_VARIABLE_BYTES) {
    throw new UnfitValue(
      `${name}: the value is too long for an environment variable: ${bytes} bytes with its name, of at most ${MAX_VARIABLE_BYTES}`,
    );
  }
}

function isSetting(variable: string): boolean {
  const key = /^(?:VAULTPLANE|KONG)_(.+)$/.exec(variable)?.[1];
  return key !== undefined && SETTING_KEYS.has(key.toLowerCase());
}
