import type { GcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { type BackendContext, OWN, type SecretBackend } from '../backend.ts';
import { Backends } from '../backends.ts';

/** An environment in which Google credentials can come from nowhere but what is added to it. */
export const NO_GOOGLE_ENV: NodeJS.ProcessEnv = { METADATA_SERVER_DETECTION: 'none' };

export interface OpenedGcp extends AsyncDisposable {
  backends: Backends;
  backend: SecretBackend;
  counts: BackendContext['counts'];
  /** Everything that was logged. */
  logged: string[];
  /** The secret's text. */
  read(path: string, version?: SecretQuery['version']): Promise<string>;
}

/** A backend of type `gcp` that talks to an emulator, with the credentials of its machine unless the options say otherwise. */
export async function openGcp(
  emulator: GcpEmulator,
  config: VaultConfig = {},
  { env = { GCE_METADATA_HOST: emulator.metadataHost }, ...context }: Partial<BackendContext> = {},
): Promise<OpenedGcp> {
  const counts = { calls: 0, errors: 0, throttled: 0 };
  const logged: string[] = [];
  const log = createLog('test', 'debug', { write: (line) => logged.push(line) });
  const backends = new Backends({
    env,
    log,
    trustedCertificates: ['system'],
    // Longer than the usual ones: a machine that is busy with other tests is no outage.
    deadlines: { connect: 20_000, total: 60_000 },
    counts,
    ...context,
  });
  const complete = withDefaults(VAULT_TYPES.get('gcp')!, { endpoint_url: emulator.url, ...config });
  const backend = await backends.open('gcp', complete, OWN);
  return {
    backends,
    backend,
    counts,
    logged,
    async read(path, version = {}) {
      return (await backend.fetch({ path, version }, new AbortController().signal)).value.reveal();
    },
    async [Symbol.asyncDispose]() {
      backends.stop();
    },
  };
}
