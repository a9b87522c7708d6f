import { aws } from './aws.ts';
import { env } from './env.ts';
import { gcp } from './gcp.ts';
import { hcv } from './hcv.ts';
import type { VaultType } from './vault-type.ts';

const types = new Map<string, VaultType>();
// Names of types to come are nobody's prefix either (specification.md §5), and Kong's own types.
const reserved = ['aws', 'azure', 'azure-certs', 'conjur', 'env', 'fs', 'gcp', 'hcv'];

/** Every vault type of this build, by name, in the order in which people are shown them. */
export const VAULT_TYPES: ReadonlyMap<string, VaultType> = types;

/** No entity may have these as its prefix: they are, or will be, names of vault types. */
export const RESERVED_PREFIXES: readonly string[] = reserved;

/**
 * Makes a type known. Settings, schemas and options of references are made from the types when their modules load, so
 * that this has to come before them: in this file, one line a type; for a test, in a module that is imported first
 * (test/testkit/src/toy-vault.ts).
 */
export function addVaultType(type: VaultType): void {
  types.set(type.name, type);
  if (!reserved.includes(type.name)) reserved.push(type.name);
}

addVaultType(aws);
addVaultType(env);
addVaultType(gcp);
addVaultType(hcv);
