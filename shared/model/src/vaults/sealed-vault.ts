import type { Keyring, Sealed } from '@vaultplane/platform/crypto/keyring.ts';
import { canonicalJson } from '../snapshots/canonical.ts';
import { destinationFields } from './destination.ts';
import type { ConfigValue, VaultConfig, VaultEntity } from './entity.ts';
import { WITHHELD } from './mask.ts';
import { literalCredentials } from './sensitive.ts';
import type { ConfigField } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

/** What a database or a file has in the place of a credential: no vault type has objects, so it can't be a value of one. */
export interface SealedMember {
  sealed: Sealed;
  /** Absent in what 0.1.0 sealed: that is bound to the vault's id and the member's name alone, and opens nowhere any more. */
  binds?: 'destination';
}
export type SealedVault = Omit<VaultEntity, 'config'> & { config: Record<string, ConfigValue | SealedMember> };

/** A credential of a vault, to be opened there, with the same destination, and nowhere else. */
export function sealMember(keyring: Keyring, vault: VaultEntity, member: string): SealedMember {
  const sealed = keyring.seal(JSON.stringify(vault.config[member]), contextOf(vault, member));
  return { sealed, binds: 'destination' };
}

/** The members that are sealed. */
export function sealedMembers(stored: Pick<SealedVault, 'config'>): Array<[name: string, member: SealedMember]> {
  return Object.entries(stored.config).filter((entry): entry is [string, SealedMember] => isSealed(entry[1]));
}

/** @returns undefined where the keyring has not the key, or the member is not this vault's with this destination */
export function openMember(
  keyring: Keyring | undefined,
  stored: Pick<SealedVault, 'id' | 'name' | 'config'>,
  name: string,
  { sealed, binds }: SealedMember,
): ConfigValue | undefined {
  const isOurs = binds === 'destination' && typeof sealed?.key === 'string' && typeof sealed.data === 'string';
  const text = isOurs ? keyring?.open(sealed, contextOf(stored, name)) : undefined;
  return text === undefined ? undefined : (JSON.parse(text) as ConfigValue);
}

/** The vault as it may be kept in a file: its credentials sealed, or, without a keyring, left out. */
export function sealVault(vault: VaultEntity, keyring: Keyring | undefined): SealedVault {
  const literal = literalCredentials(vault);
  if (literal.length === 0) return vault;
  const sealed = literal.map((field) => [
    field.name,
    keyring ? sealMember(keyring, vault, field.name) : withheld(field),
  ]);
  return { ...vault, config: { ...vault.config, ...Object.fromEntries(sealed) } };
}

/** What `sealVault` was given, but for credentials that the keyring does not open: WITHHELD stands for them. */
export function openVault(stored: SealedVault, keyring: Keyring | undefined): VaultEntity {
  const sealed = sealedMembers(stored);
  if (sealed.length === 0) return stored as VaultEntity;
  const config = { ...stored.config } as VaultConfig;
  for (const [name, member] of sealed) config[name] = openMember(keyring, stored, name, member) ?? WITHHELD;
  return { ...stored, config };
}

function withheld({ type }: ConfigField): ConfigValue {
  return type === 'array' ? [WITHHELD] : WITHHELD;
}

function isSealed(value: unknown): value is SealedMember {
  return typeof value === 'object' && value !== null && 'sealed' in value;
}

/**
 * What a sealed member is bound to: the vault, its type, the member, and who receives the credential. Whoever writes to the
 * database or a file, and has not the key, can neither move it to another vault nor have it sent elsewhere.
 *
 * The destination is taken as it was set, without defaults: a release that has another default opens what this one sealed.
 */
function contextOf({ id, name, config }: Pick<SealedVault, 'id' | 'name' | 'config'>, member: string): string {
  const type = VAULT_TYPES.get(name);
  const names = type
    ? destinationFields(type).map((field) => field.name)
    : Object.keys(config).filter((own) => !isSealed(config[own]));
  const destination = names.flatMap((own) => (config[own] === undefined ? [] : [[own, config[own]] as const]));
  return canonicalJson({ vault: id, type: name, member, destination: Object.fromEntries(destination) });
}
