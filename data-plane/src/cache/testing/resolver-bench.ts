import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultConfig, VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import {
  type Resolved,
  type ResolveOptions,
  type Resolver,
  type ResolverSettings,
  startResolver,
} from '../resolver.ts';
import { ScriptedVault } from './scripted-vault.ts';

/** A resolver on a clock that the test moves, over vaults that answer what the test says. */
export class ResolverBench {
  readonly clock = new FakeClock(Date.UTC(2026, 10, 24));
  readonly vault = new ScriptedVault();
  readonly resolver: Resolver;
  #version = 0;
  readonly #start = this.clock.now();

  constructor(settings: Partial<ResolverSettings> = {}, random: () => number = () => 0.5) {
    this.resolver = startResolver({
      clock: this.clock,
      log: silentLog,
      env: {},
      settings: { cache_max_entries: 1000, cache_max_bytes: 1_000_000, ...settings },
      random,
      backends: this.vault,
    });
  }

  /** Vaults of type aws by prefix. */
  configure(vaults: Record<string, VaultConfig & { id?: string; name?: string }>, defaults = {}): void {
    const entities = Object.entries(vaults).map(([prefix, { id = prefix, name = 'aws', ...config }]): VaultEntity => {
      return { id, prefix, name, description: null, config, tags: null, created_at: 1, updated_at: 1 };
    });
    this.resolver.configure({ snapshot: makeSnapshot('t', ++this.#version, entities), defaults });
  }

  /** Moves to so many seconds after the start, doing what falls due. */
  at(seconds: number): Promise<void> {
    return this.clock.advanceTo(this.#start + seconds * 1000);
  }

  /** The value, or the code of the error. */
  async get(reference: string, options?: ResolveOptions): Promise<string> {
    return shown(await this.outcome(reference, options));
  }

  async outcome(reference: string, options?: ResolveOptions): Promise<Resolved | VaultplaneError> {
    try {
      return await this.resolver.resolve(reference, options);
    } catch (error) {
      if (error instanceof VaultplaneError) return error;
      throw error;
    }
  }

  async many(...references: string[]): Promise<string[]> {
    return (await this.resolver.resolveMany(references)).map(shown);
  }
}

export function shown(outcome: Resolved | VaultplaneError): string {
  return outcome instanceof VaultplaneError ? outcome.code : outcome.value;
}
