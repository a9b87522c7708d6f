import { StartError } from '@vaultplane/shared/errors.ts';
import { publicKeyPem } from '@vaultplane/shared/export-key.ts';
import { ensureExportKey, NO_EXPORT_KEY, replaceExportKey } from '../cluster/export-key.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { withStored } from './access.ts';

/** The public half of the export key. */
export interface ShownExportKey {
  /** PEM. */
  public_key: string;
  sha256: string;
}

/** `export-key`. @throws StartError where there is none, and none can be made */
export async function exportKey(
  settings: ControlPlaneSettings,
  { replace }: { replace: boolean },
): Promise<ShownExportKey> {
  return withStored<ShownExportKey>(settings, {
    store: async ({ database }, actor) => {
      const own = replace
        ? await replaceExportKey(settings, database, actor, Date.now())
        : await ensureExportKey(settings, database);
      if (!own) throw new StartError(NO_EXPORT_KEY);
      const { publicKey } = own.key;
      return { public_key: publicKeyPem(publicKey), sha256: publicKey.fingerprint };
    },
    api: (api) => {
      if (replace) throw new StartError('a control plane has the data_dir open; stop it, and replace its key then');
      return api.call('GET', '/clustering/export-key');
    },
  });
}
