import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import {
  type BackendContext,
  type Caller,
  type FetchedSecret,
  OWN,
  type SecretBackend,
  type UpstreamCall,
} from '../backend.ts';
import { Backends } from '../backends.ts';
import type { OpenBao } from './open-bao.ts';

export interface OpenedHcv extends AsyncDisposable {
  backends: Backends;
  backend: SecretBackend;
  counts: BackendContext['counts'];
  /** Every call that has ended. */
  calls: UpstreamCall[];
  /** Everything that was logged. */
  logged: string[];
  caller(): Promise<Caller>;
  fetch(path: string, version?: string): Promise<FetchedSecret>;
  /** The secret's text. */
  read(path: string, version?: string): Promise<string>;
  /** How many calls of an operation have ended. */
  count(operation: string): number;
}

/** A backend of type `hcv` that talks to a server: engine `secret`, kv v2, unless the config says otherwise. */
export async function openHcv(
  server: Pick<OpenBao, 'config'>,
  config: VaultConfig,
  context: Partial<BackendContext> = {},
): Promise<OpenedHcv> {
  const calls: UpstreamCall[] = [];
  const counts = { calls: 0, errors: 0, throttled: 0, ended: (call: UpstreamCall) => calls.push(call) };
  const logged: string[] = [];
  const log = createLog('test', 'debug', { write: (line) => logged.push(line) });
  const backends = new Backends({
    env: {},
    log,
    trustedCertificates: ['system'],
    // Longer than the usual ones: a machine that is busy with other tests is no outage.
    deadlines: { connect: 20_000, total: 60_000 },
    counts,
    ...context,
  });
  const type = VAULT_TYPES.get('hcv')!;
  const complete = withDefaults(type, { ...server.config, kv: 'v2', ...config });
  const backend = await backends.open('hcv', complete, OWN);
  const { signal } = new AbortController();
  const fetch = (path: string, id?: string) => backend.fetch({ path, version: id === undefined ? {} : { id } }, signal);
  return {
    backends,
    backend,
    counts,
    calls,
    logged,
    caller: async () => (await backends.caller('hcv', complete, OWN))!,
    fetch,
    read: async (path, id) => (await fetch(path, id)).value.reveal(),
    count: (operation) => calls.filter((call) => call.operation === operation).length,
    async [Symbol.asyncDispose]() {
      backends.stop();
    },
  };
}
