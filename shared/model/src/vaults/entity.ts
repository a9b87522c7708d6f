/**
 * A vault entity: one configured place that secrets come from (specification.md §5). Never holds a secret.
 * `config` holds exactly the members that were set; defaults stand in the vault type and are applied by whoever reads.
 */
export interface VaultEntity {
  /** UUID. */
  id: string;
  /** The VAULT of references; unique. */
  prefix: string;
  /** The vault type, such as `aws`. */
  name: string;
  description: string | null;
  config: VaultConfig;
  tags: string[] | null;
  /** Seconds since 1970, whole. */
  created_at: number;
  /** Seconds since 1970, whole. */
  updated_at: number;
}

export type ConfigValue = string | number | boolean | string[];
export type VaultConfig = Record<string, ConfigValue>;
