import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { isMetadataAddress } from '@vaultplane/model/upstream-policy/addresses.ts';
import { destinationOf, printDestination } from '@vaultplane/model/upstream-policy/destination.ts';
import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { DEFAULT_POLICY } from '@vaultplane/model/upstream-policy/policy.ts';
import { shownOrigin, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import type { HcvConfig } from './config.ts';

/** Where a standby sends its callers. */
export interface Leader {
  protocol: 'https:';
  /** Without the brackets of an IPv6 address. */
  host: string;
  port: number;
  /** Its certificate must be issued under the vault's own ca_cert, and nobody else's. */
  isUnderOwnCa: boolean;
  /** For people, such as https://vault-2.example:8200. */
  name: string;
}

/**
 * The leader that a standby's redirection names. A token is shown to whoever is followed, so that a server's word alone is not
 * enough: the leader must have a certificate under the vault's own `ca_cert`, as one cluster has, or a grant in upstream_policy.
 * Only scheme, host and port are taken from it; the path is that of the request.
 *
 * @param location the header of the answer
 * @param guard of the vault
 * @throws BackendError unavailable, PolicyRefusal
 */
export function leaderOf(
  location: string | undefined,
  config: HcvConfig,
  guard: UpstreamGuard,
  { upstreamPolicy = () => DEFAULT_POLICY }: Pick<BackendContext, 'upstreamPolicy'>,
): Leader {
  const url = URL.parse(location ?? '');
  if (!url) throw refused(config, 'no address that could be followed');
  const destination = destinationOf(url.protocol, url.hostname, url.port);
  const name = shownOrigin(location ?? '');
  if (url.protocol !== 'https:') throw refused(config, `${name}, and only https is followed`);
  if (isMetadataAddress(destination.host)) throw refused(config, `${name}, a link-local or metadata address`);
  const { host, port } = destination;
  const target = { protocol: 'https:', host, port } as const;
  const isGranted = upstreamPolicy().names('hcv', destination);
  // The grant has to cover what the vault shows, too.
  if (isGranted) guard.check(target);
  else if (config.text('ca_cert') === undefined) {
    throw refused(
      config,
      `${name}, which is followed only where the vault has a ca_cert that signs both, or upstream_policy a grant for hcv and ${printDestination(destination)}`,
    );
  }
  return { ...target, isUnderOwnCa: !isGranted, name };
}

function refused(config: HcvConfig, where: string): BackendError {
  return new BackendError(
    'unavailable',
    `the vault server ${shownUrl(config.address)} sends its callers elsewhere (HTTP 307): to ${where}`,
  );
}
