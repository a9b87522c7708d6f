import { type BackendContext, deadlinesOf } from '@vaultplane/backends/backend.ts';
import { VariableRules } from '@vaultplane/model/vaults/variable-rules.ts';
import { envPrefixOf, homeRegionOf } from '@vaultplane/model/vaults/vault-settings.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { printAddress } from '@vaultplane/platform/net/network-address.ts';
import type { DataPlaneSettings } from './settings.ts';

/** What backends beside the resolver's own are given, as this data plane's settings say; their calls are counted apart. */
export function backendContextOf(
  settings: DataPlaneSettings,
  { env, log }: { env: NodeJS.ProcessEnv; log: Log },
): BackendContext {
  return {
    env,
    variables: new VariableRules({ prefix: envPrefixOf(settings) }),
    log,
    trustedCertificates: settings.ssl_trusted_certificate,
    ownListen: printAddress(settings.api_listen),
    homeRegion: homeRegionOf(settings),
    deadlines: deadlinesOf(settings),
    counts: { calls: 0, errors: 0, throttled: 0 },
  };
}
