import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';
import type { Carried, UpstreamUse } from '../upstream-policy/carried.ts';
import { type Destination, destinationOfUrl } from '../upstream-policy/destination.ts';
import { isCredentialReference } from './credential-elsewhere.ts';
import type { ConfigValue, VaultConfig } from './entity.ts';

const ENDPOINT = 'https://secretmanager.googleapis.com';

/** Where a vault of type `gcp` sends tokens, and asks for them. */
export function gcpUses({ endpoint_url: endpoint, service_account: key }: VaultConfig): UpstreamUse[] {
  const destination = destinationOfUrl(typeof endpoint === 'string' ? endpoint : ENDPOINT);
  const uses: UpstreamUse[] = destination ? [{ destination, carries: googleCarries(key) }] : [];
  const tokens = typeof key === 'string' && !isCredentialReference(key) ? tokenDestination(key) : undefined;
  if (tokens) uses.push({ destination: tokens, carries: [{ kind: 'token_request' }] });
  return uses;
}

/** What stands behind the token of a call to Secret Manager. */
export function googleCarries(key: ConfigValue | undefined): Carried[] {
  if (typeof key !== 'string') return [{ kind: 'identity' }];
  return isCredentialReference(key) ? [{ kind: 'reference', reference: key }] : [];
}

/** Undefined where the key names none, and so Google's own is asked. */
function tokenDestination(key: string): Destination | undefined {
  try {
    const { token_uri: uri } = JSON.parse(withoutByteOrderMark(key)) as { token_uri?: unknown };
    return typeof uri === 'string' ? destinationOfUrl(uri) : undefined;
  } catch {
    return undefined;
  }
}
