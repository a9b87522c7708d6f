import type { SettingsSchema } from '@vaultplane/platform/settings/settings.ts';
import { CONTROL_PLANE_SETTINGS } from './control-plane-settings.ts';
import { DATA_PLANE_SETTINGS } from './data-plane-settings.ts';

const SCHEMAS: readonly SettingsSchema[] = [CONTROL_PLANE_SETTINGS, DATA_PLANE_SETTINGS];

/**
 * Every key of both programs, other names too, since one file may serve both: each program reads its own keys and skips the
 * other's, and only a key that is nobody's is an error.
 */
export const SETTING_KEYS: ReadonlySet<string> = new Set(
  SCHEMAS.flatMap((schema) => Object.entries(schema).flatMap(([key, { aliases = [] }]) => [key, ...aliases])),
);
