import {
  type LoadOptions,
  readSettings,
  type SettingsOf,
  type SettingsSchema,
} from '@vaultplane/platform/settings/settings.ts';
import { looksLikeReference, vaultOf } from '../references/reference-text.ts';
import { VAULT_TYPES } from '../vaults/vault-types.ts';
import { SETTING_KEYS } from './setting-keys.ts';

/** Reads settings (settings.ts) of one program from a file that may serve both, any of which may be a reference. @throws StartError */
export function loadSettings<S extends SettingsSchema>(schema: S, options: LoadOptions): Promise<SettingsOf<S>> {
  const isLocal = (vault: string) => VAULT_TYPES.get(vault)?.local === true;
  return readSettings(schema, options, { keys: SETTING_KEYS, looksLikeReference, vaultOf, isLocal });
}
