import { aws } from './aws.ts';
import { env } from './env.ts';
import type { VaultType } from './vault-type.ts';

/** Every vault type of this build, by name. */
export const VAULT_TYPES: ReadonlyMap<string, VaultType> = new Map([aws, env].map((type) => [type.name, type]));

/** No entity may have these as its prefix: they are, or will be, names of vault types (CONTRACT.md §5). */
export const RESERVED_PREFIXES: readonly string[] = ['aws', 'azure', 'env', 'gcp', 'hcv'];
