import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { COMMON_FIELDS, type VaultType } from './vault-type.ts';

/** What is put behind a variable's name for the one before: `DB_PASSWORD_PREVIOUS`. Source: Kong's env vault. */
export const PREVIOUS = 'PREVIOUS';

/** Environment variables of the data plane, but for its own (variable-rules.ts). Source: Kong's env vault. */
export const env: VaultType = {
  name: 'env',
  description: "The data plane's environment variables",
  local: true,
  ambient: true,
  fields: [
    {
      name: 'prefix',
      type: 'string',
      identity: true,
      emptyInReference: true,
      match: /^[a-zA-Z_][a-zA-Z0-9_-]*$/,
      allowed: 'letters, digits, _ and -',
      description:
        'Put before a name, before it is upper-cased and its dashes become underscores. vault_env_prefix of a data plane ' +
        'confines all its env vaults: the prefix of a vault or a reference must begin with it. (Stricter than Kong.)',
    },
    ...COMMON_FIELDS,
  ],
  referenceOptions: ['prefix', 'ttl', 'neg_ttl', 'resurrect_ttl', 'base64_decode', 'json_pointer'],
  uses: () => [],
  versionOf({ version = 1 }) {
    if (version === 1) return {};
    if (version === 2) return { stage: PREVIOUS };
    throw new VaultplaneError('unsupported_version', `an environment variable has versions 1 and 2, not ${version}`);
  },
};
