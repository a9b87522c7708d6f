import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { printReference, type Reference } from '@vaultplane/model/references/reference.ts';
import type { Resolved, Resolver } from '../cache/resolver.ts';

/** A whole secret, as AWS's own interfaces ask for one. */
export interface SecretRequest {
  /** The vault's prefix. */
  vault: string;
  /** A name or an ARN. */
  secretId: string;
  versionId?: string | undefined;
  versionStage?: string | undefined;
}

/**
 * AWS's own interfaces are for vaults of AWS: another's secrets have neither an ARN nor AWS's versions.
 *
 * @throws VaultplaneError bad_request, unknown_vault, not_ready
 */
export function requireAws(resolver: Pick<Resolver, 'vaultType'>, vault: string): void {
  const type = resolver.vaultType(vault);
  if (type === 'aws') return;
  throw new VaultplaneError(
    'bad_request',
    `vault ${vault} is of type ${type}; this interface is for vaults of type aws`,
  );
}

/** The reference that asks for the same; so it shares cache, lifetimes and policies with all others. */
export function referenceTo({ vault, secretId, versionId, versionStage }: SecretRequest): string {
  const options: Reference['options'] = {
    ...(versionId !== undefined && { version_id: versionId }),
    // The current version is what a reference means without a word, and so shares its place in the cache.
    ...(versionStage !== undefined &&
      (versionId !== undefined || versionStage !== 'AWSCURRENT') && { version_stage: versionStage }),
  };
  return printReference({ vault, path: secretId, options });
}

/** What GetSecretValue answers, but for its date, of which AWS and its provider have different ideas. */
export function secretMembers({ secret, version, value, encoding }: Resolved): {
  ARN: string | null;
  Name: string;
  VersionId: string | null;
  SecretString?: string;
  SecretBinary?: string;
  VersionStages: readonly string[];
} {
  return {
    ARN: secret.arn,
    Name: secret.name,
    VersionId: version.id,
    ...(encoding === 'base64' ? { SecretBinary: value } : { SecretString: value }),
    VersionStages: version.stages,
  };
}
