import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Emulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { type BackendContext, OWN, type SecretBackend } from '../backend.ts';
import { Backends } from '../backends.ts';

const nowhere = mkdtempSync(join(tmpdir(), 'vaultplane-home-'));

/** An environment in which AWS credentials can come from nowhere but what is added to it. */
export const BARE_ENV: NodeJS.ProcessEnv = { HOME: nowhere, AWS_EC2_METADATA_DISABLED: 'true' };

export interface OpenedAws extends AsyncDisposable {
  backends: Backends;
  backend: SecretBackend;
  counts: BackendContext['counts'];
  /** Everything that was logged. */
  logged: string[];
  /** The secret's text. */
  read(path: string, version?: SecretQuery['version']): Promise<string>;
}

/** A backend of type `aws` that talks to an emulator, unless the options say otherwise. */
export async function openAws(
  emulator: Emulator | null,
  config: VaultConfig = {},
  { env, ...context }: Partial<BackendContext> = {},
): Promise<OpenedAws> {
  const counts = { calls: 0, errors: 0, throttled: 0 };
  const logged: string[] = [];
  const log = createLog('test', 'debug', { write: (line) => logged.push(line) });
  const backends = new Backends({
    env: env ?? { ...BARE_ENV, ...emulator?.environment },
    log,
    trustedCertificates: ['system'],
    // Longer than the usual ones: a machine that is busy with other tests is no outage.
    deadlines: { connect: 20_000, total: 60_000 },
    counts,
    ...context,
  });
  const backend = await backends.open('aws', withDefaults(VAULT_TYPES.get('aws')!, config), OWN);
  const signal = new AbortController().signal;
  return {
    backends,
    backend,
    counts,
    logged,
    async read(path, version = { stage: 'AWSCURRENT' }) {
      return (await backend.fetch({ path, version }, signal)).value.reveal();
    },
    async [Symbol.asyncDispose]() {
      backends.stop();
    },
  };
}
