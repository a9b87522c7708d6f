import type { UpstreamUse } from '../upstream-policy/carried.ts';
import { awsSuffixOf } from '../upstream-policy/default-hosts.ts';
import { destinationOf, destinationOfUrl } from '../upstream-policy/destination.ts';
import type { VaultConfig } from './entity.ts';

/**
 * Where a vault of type `aws` sends the machine's identity, as far as it says that itself: AWS's own addresses, and those of
 * the machine's settings, are checked where a call leaves.
 */
export function awsUses(config: VaultConfig): UpstreamUse[] {
  const { endpoint_url: endpoint, sts_endpoint_url: sts, assume_role_arn: role, region } = config;
  const identity = { kind: 'identity' } as const;
  const uses: UpstreamUse[] = [];
  for (const url of [endpoint, sts]) {
    const destination = typeof url === 'string' ? destinationOfUrl(url) : undefined;
    if (destination) uses.push({ destination, carries: [identity] });
  }
  if (typeof role !== 'string') return uses;
  const home = typeof region === 'string' ? region : 'us-east-1';
  const usual = destinationOf('https', `sts.${home}.${awsSuffixOf(home)}`, 443);
  const destination = (typeof sts === 'string' ? destinationOfUrl(sts) : undefined) ?? usual;
  return [...uses, { destination, carries: [{ kind: 'role', arn: role }] }];
}
