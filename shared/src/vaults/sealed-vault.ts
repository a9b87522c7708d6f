import type { Keyring, Sealed } from '../keyring.ts';
import type { ConfigValue, VaultConfig, VaultEntity } from './entity.ts';
import { literalCredentials, WITHHELD } from './sensitive.ts';
import type { ConfigField } from './vault-type.ts';

/** What a database or a file has in the place of a credential: no vault type has objects, so it can't be a value of one. */
export interface SealedMember {
  sealed: Sealed;
}
export type SealedVault = Omit<VaultEntity, 'config'> & { config: Record<string, ConfigValue | SealedMember> };

/** A credential of a vault, to be opened there and nowhere else. */
export function sealMember(keyring: Keyring, vault: VaultEntity, member: string): SealedMember {
  return { sealed: keyring.seal(JSON.stringify(vault.config[member]), contextOf(vault, member)) };
}

/** The members that are sealed. */
export function sealedMembers(stored: SealedVault): Array<[name: string, member: SealedMember]> {
  return Object.entries(stored.config).filter((entry): entry is [string, SealedMember] => isSealed(entry[1]));
}

/** @returns undefined where the keyring has not the key, or the member is not this vault's */
export function openMember(
  keyring: Keyring | undefined,
  stored: Pick<SealedVault, 'id'>,
  name: string,
  { sealed }: SealedMember,
): ConfigValue | undefined {
  const text = keyring?.open(sealed, contextOf(stored, name));
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

function isSealed(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'sealed' in value;
}

function contextOf({ id }: { id: string }, member: string): string {
  return `vault ${id} config.${member}`;
}
