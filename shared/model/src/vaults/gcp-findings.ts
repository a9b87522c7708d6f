import { BackendError } from '../errors/backend-error.ts';
import { isCredentialReference } from './credential-elsewhere.ts';
import type { VaultConfig } from './entity.ts';
import { parseKey } from './gcp-key.ts';
import { isMask } from './mask.ts';

/** Hosts of one location. Source: Secret Manager's page on regional secrets; they serve /v1/projects/P/locations/L alone. */
const REGIONAL_HOST = /^secretmanager\.[a-z0-9-]+\.rep\.googleapis\.com$/;

/** What keeps a literal key of a vault of type `gcp` from being used; nothing of the key is in it. */
export function gcpMissing({ service_account: key }: VaultConfig): Record<string, string> {
  if (typeof key !== 'string' || isCredentialReference(key) || isMask(key)) return {};
  try {
    parseKey(key);
    return {};
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    return { service_account: `can't be used: ${error.message}` };
  }
}

/** Warns of an endpoint that has no global secrets, which are all that is read. */
export function gcpDoubts({ endpoint_url: endpoint }: VaultConfig): string[] {
  if (typeof endpoint !== 'string' || !URL.canParse(endpoint)) return [];
  const { hostname } = new URL(endpoint);
  if (!REGIONAL_HOST.test(hostname)) return [];
  return [`config.endpoint_url: ${hostname} has regional secrets alone, and only global ones are read`];
}
