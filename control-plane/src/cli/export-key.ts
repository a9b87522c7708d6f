import { type ExportKey, publicKeyPem } from '@vaultplane/model/snapshots/export-key.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { ensureExportKey, replaceExportKey } from '../fleet/export-key.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { Database } from '../store/database.ts';
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
      const { publicKey } = replace
        ? await replaceExportKey(settings, database, actor, Date.now())
        : await existing(settings, database);
      return { public_key: publicKeyPem(publicKey), sha256: publicKey.fingerprint };
    },
    api: (api) => {
      if (replace) throw new StartError('a control plane has the data_dir open; stop it, and replace its key then');
      return api.call('GET', '/clustering/export-key');
    },
  });
}

async function existing(settings: ControlPlaneSettings, database: Database): Promise<ExportKey> {
  const own = await ensureExportKey(settings, database);
  if (!own.key) throw new StartError(own.problem);
  return own.key;
}
