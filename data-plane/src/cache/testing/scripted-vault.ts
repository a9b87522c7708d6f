import type { FetchedSecret, SecretBackend, SecretTag } from '@vaultplane/backends/backend.ts';
import type { BackendSource } from '@vaultplane/backends/backends.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';

/** What a scripted vault answers for a secret: a value, or a failure. */
export type Script = { value: string; id?: string } | 'not_found' | 'denied' | 'down' | 'throttled';

/** Vaults of any configuration that answer what a test says, and count what they are asked. */
export class ScriptedVault implements BackendSource {
  /** Answers for a secret of a region, or for one stage of it and one role; by default those of `fallback`. */
  readonly scripts = new Map<string, Script>();
  fallback: Script = 'not_found';
  /** The secrets with a tag, of vaults that know tags. */
  tagged: (tag: SecretTag) => string[] | 'denied' = () => [];
  /** Upstream calls; a batch is one. */
  calls = 0;
  /** Every secret asked for, batched or not, as `REGION PATH STAGE`. */
  readonly asked: string[] = [];
  /** How many secrets each call asked for. */
  readonly batches: number[] = [];
  /** While set, calls wait for it. */
  gate: Promise<unknown> | null = null;
  /** Calls that were cut short. */
  aborted = 0;
  /** How many calls for one secret of one vault were ever under way at once. */
  mostInFlight = 0;
  /** Turns of the event loop that every answer takes. */
  turns = 0;
  readonly #inFlight = new Map<string, number>();
  #version = 0;

  /** @param only answers so to this role and for this version stage; without it to all */
  set(path: string, script: Script, region = 'us-east-1', only?: { role: string; stage: string }): void {
    this.scripts.set(only ? `${region} ${path} ${only.stage} ${only.role}` : `${region} ${path}`, script);
  }

  async open(type: string, config: VaultConfig): Promise<SecretBackend> {
    const region = String(config.region ?? 'us-east-1');
    const identity = JSON.stringify(config.role_session_name ?? '');
    const answer = async (queries: readonly SecretQuery[], signal: AbortSignal) => {
      this.calls++;
      this.batches.push(queries.length);
      const names = queries.map(({ path, version }) => `${region} ${path} ${version.stage ?? version.id ?? ''}`);
      this.asked.push(...names);
      const keys = names.map((name) => `${name} ${identity}`);
      for (const key of keys) this.#begin(key);
      const scripts = queries.map(({ path, version }) => {
        const own = this.scripts.get(`${region} ${path} ${version.stage} ${config.assume_role_arn}`);
        return [path, own ?? this.scripts.get(`${region} ${path}`) ?? this.fallback] as const;
      });
      if (this.gate) {
        const cut = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        await Promise.race([this.gate, cut]);
        if (signal.aborted) this.aborted++;
      }
      for (let turn = 0; turn < this.turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      for (const key of keys) this.#inFlight.set(key, this.#inFlight.get(key)! - 1);
      return scripts.map(([path, script]) => this.#answer(path, script));
    };
    return {
      scope: region,
      description: `a scripted vault in ${region}`,
      async fetch(query, signal) {
        const [result] = await answer([query], signal);
        if (result instanceof BackendError) throw result;
        return result!;
      },
      fetchMany: answer,
      ...(type === 'aws' && {
        findByTag: async (tag: SecretTag) => {
          const found = this.tagged(tag);
          if (found === 'denied') throw new BackendError('access_denied', 'listing is denied');
          return found;
        },
      }),
    };
  }

  stop(): void {}

  #begin(key: string): void {
    const underWay = (this.#inFlight.get(key) ?? 0) + 1;
    this.#inFlight.set(key, underWay);
    this.mostInFlight = Math.max(this.mostInFlight, underWay);
  }

  #answer(path: string, script: Script): FetchedSecret | BackendError {
    switch (script) {
      case 'not_found':
        return new BackendError('not_found', `secret ${path}: not found`);
      case 'denied':
        return new BackendError('access_denied', `secret ${path}: access denied`);
      case 'down':
        return new BackendError('unavailable', `secret ${path}: no connection`);
      case 'throttled':
        return new BackendError('unavailable', `secret ${path}: throttled`, { throttled: true });
      default:
        return {
          value: SecretValue.ofText(script.value),
          version: { id: script.id ?? `version-${++this.#version}`, stages: ['AWSCURRENT'] },
          createdAt: null,
          arn: null,
          name: path,
        };
    }
  }
}
