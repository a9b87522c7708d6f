import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { destinationChanges } from '../vaults/destination.ts';
import type { VaultEntity } from '../vaults/entity.ts';
import { openVault, sealVault } from '../vaults/sealed-vault.ts';
import { isWithheld, literalCredentials, sensitiveFields } from '../vaults/sensitive.ts';
import { checkSnapshot, makeSnapshot, type Snapshot } from './snapshot.ts';

/**
 * The snapshot as it may be kept outside of memory: no credential of a vault is in the clear. Its hash is still that of the
 * snapshot as it was; the same object where there is nothing to hide.
 *
 * @param keyring without it credentials are left out
 */
export function sealSnapshot(snapshot: Snapshot, keyring: Keyring | undefined): Snapshot {
  if (prefixesWithCredentials(snapshot).length === 0) return snapshot;
  return { ...snapshot, vaults: snapshot.vaults.map((vault) => sealVault(vault, keyring) as VaultEntity) };
}

/**
 * The snapshot that was sealed; partial where the keyring does not open all of it.
 *
 * @throws SnapshotMismatch as checkSnapshot
 */
export function openSnapshot(claimed: Snapshot, keyring: Keyring | undefined): Snapshot {
  const vaults = claimed.vaults.map((vault) => openVault(vault, keyring));
  if (!claimed.partial && prefixesWithheld({ vaults }).length === 0) return checkSnapshot({ ...claimed, vaults });
  return partial({ ...claimed, vaults });
}

/** The vaults that have a credential in their configuration. */
export function prefixesWithCredentials({
  vaults,
}: {
  vaults: readonly Pick<VaultEntity, 'prefix' | 'name' | 'config'>[];
}): string[] {
  return vaults.filter((vault) => literalCredentials(vault).length > 0).map(({ prefix }) => prefix);
}

/** The vaults that have a credential which is withheld. */
export function prefixesWithheld({ vaults }: Pick<Snapshot, 'vaults'>): string[] {
  return vaults.filter((vault) => withheldMembers(vault).length > 0).map(({ prefix }) => prefix);
}

/**
 * What is withheld from a snapshot is taken from the same vaults of another, where they have it for the same destination: a
 * credential is sent nowhere else than where it was given for.
 */
export function filledFrom(snapshot: Snapshot, other: Snapshot | undefined): Snapshot {
  if (!other || !snapshot.partial) return snapshot;
  const known = new Map(other.vaults.map((vault) => [vault.id, vault]));
  const vaults = snapshot.vaults.map((vault) => {
    const source = known.get(vault.id);
    if (!source || destinationChanges(source, vault).length > 0) return vault;
    const config = { ...vault.config };
    for (const name of withheldMembers(vault)) config[name] = source.config[name] ?? config[name]!;
    return { ...vault, config };
  });
  return partial({ ...snapshot, vaults });
}

function partial({ timeline, version, vaults }: Snapshot): Snapshot {
  const { hash } = makeSnapshot(timeline, version, vaults);
  return { ...checkSnapshot({ timeline, version, hash, vaults }), partial: true };
}

function withheldMembers({ name, config }: VaultEntity): string[] {
  return sensitiveFields(name)
    .filter((field) => isWithheld(config[field.name]))
    .map((field) => field.name);
}
