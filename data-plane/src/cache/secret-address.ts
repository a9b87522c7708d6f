import { identityOf } from '@vaultplane/model/vaults/address.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery, VersionSelector } from '@vaultplane/model/vaults/vault-type.ts';
import type { Vault } from './vault-directory.ts';

/** Where a secret's path counts: mostly all secrets of a vault have one scope, which is there once. */
export interface SecretScope {
  readonly vault: Vault;
  /**
   * What the reference changes of the vault's configuration, of what makes another secret; and its ttl, where that is
   * another: it rotates by itself then, and not for those who ask without.
   */
  readonly overrides: VaultConfig;
  /** The role that a call named in place of the vault's own; among `overrides` too. */
  readonly roleArn: string | undefined;
  /** All vaults of one identity are asked through one backend. */
  readonly identity: string;
  readonly regionFrom: string | undefined;
  readonly version: VersionSelector;
  /** Unique among scopes: the secrets' keys without their paths. */
  readonly key: string;
}

/** Which secret. */
export interface SecretAddress {
  readonly scope: SecretScope;
  readonly path: string;
}

/**
 * Unique among secrets: vault, everything that makes another secret, path and version. It stands in files that another
 * release has written, or will read.
 */
export function keyOf({ scope, path }: SecretAddress): string {
  const { vault, identity, version, overrides } = scope;
  return JSON.stringify([vault.id, identity, path, ...namesOf(version), ...rotationOf(overrides)]);
}

/** As unique, for what is gone with this process: it is made sooner. */
export function passingKeyOf({ scope, path }: SecretAddress): string {
  // The scope's key is a JSON array and ends where that does: no two pairs give one text.
  return scope.key + path;
}

export function queryOf({ scope, path }: SecretAddress): SecretQuery {
  return { path, version: scope.version };
}

/** @param config the vault's, with what the reference changes merged in */
export function scopeOf(facts: Omit<SecretScope, 'identity' | 'key'>, config: VaultConfig): SecretScope {
  const { vault, version, overrides } = facts;
  const identity = identityOf(vault.type, config);
  return {
    ...facts,
    identity,
    key: JSON.stringify([vault.id, identity, ...namesOf(version), ...rotationOf(overrides)]),
  };
}

/** Nothing for what rotates as its vault says: its key is that of earlier releases. */
function rotationOf({ ttl }: VaultConfig): VaultConfig[string][] {
  return ttl === undefined ? [] : [ttl];
}

function namesOf({ id, stage }: VersionSelector): Array<string | null> {
  return [id ?? null, stage ?? null];
}
