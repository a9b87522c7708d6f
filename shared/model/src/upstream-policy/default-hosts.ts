import { isLoopbackAddress } from './addresses.ts';
import type { Destination } from './destination.ts';

/**
 * Each AWS partition's suffix of host names, and that of its dual-stack names. Source: the AWS SDK's partitions.json
 * (@aws-sdk/core 3.981.1); aws-us-gov has those of aws.
 */
const PARTITIONS: ReadonlyArray<readonly [name: string, suffix: string, dualStack: string]> = [
  ['aws', 'amazonaws.com', 'api.aws'],
  ['aws-cn', 'amazonaws.com.cn', 'api.amazonwebservices.com.cn'],
  ['aws-iso', 'c2s.ic.gov', 'api.aws.ic.gov'],
  ['aws-iso-b', 'sc2s.sgov.gov', 'api.aws.scloud'],
  ['aws-iso-e', 'cloud.adc-e.uk', 'api.cloud-aws.adc-e.uk'],
  ['aws-iso-f', 'csp.hci.ic.gov', 'api.aws.hci.ic.gov'],
  ['aws-eusc', 'amazonaws.eu', 'api.amazonwebservices.eu'],
];

const REGION = '[a-z]{2,}(?:-[a-z0-9]+)+';
const either = (texts: readonly string[]) => `(?:${texts.map((text) => text.replaceAll('.', '\\.')).join('|')})`;
const SUFFIXES = either(PARTITIONS.map(([, suffix]) => suffix));
const ALL_SUFFIXES = either(PARTITIONS.flatMap(([, suffix, dualStack]) => [suffix, dualStack]));

/** Of regions that are not of the partition `aws`. Source as of PARTITIONS. */
const PARTITION_OF: ReadonlyArray<readonly [region: RegExp, suffix: string]> = [
  [/^cn-/, 'amazonaws.com.cn'],
  [/^us-iso-/, 'c2s.ic.gov'],
  [/^us-isob-/, 'sc2s.sgov.gov'],
  [/^eu-isoe-/, 'cloud.adc-e.uk'],
  [/^us-isof-/, 'csp.hci.ic.gov'],
  [/^eusc-/, 'amazonaws.eu'],
];

/**
 * AWS's own names of Secrets Manager and STS. Other names below amazonaws.com may be a stranger's: an S3 bucket, an API
 * gateway, a load balancer, an endpoint service.
 */
const AWS_HOSTS: readonly RegExp[] = [
  new RegExp(`^(?:secretsmanager|sts)(?:-fips)?\\.${REGION}\\.${ALL_SUFFIXES}$`),
  /^sts\.amazonaws\.com$/,
  new RegExp(`^vpce-[a-z0-9-]+\\.(?:secretsmanager|sts)\\.${REGION}\\.vpce\\.${SUFFIXES}$`),
];

/** The suffix of the host names of a region's services. */
export function awsSuffixOf(region: string): string {
  const [, suffix] = PARTITION_OF.find(([form]) => form.test(region)) ?? [undefined, 'amazonaws.com'];
  return suffix;
}

/** Where the node's AWS identity may sign requests for without a grant. */
export function isAwsDefault({ protocol, host, port }: Destination): boolean {
  if (isThisMachine(host)) return true;
  return protocol === 'https' && port === 443 && AWS_HOSTS.some((form) => form.test(host));
}

/** Where Google's tokens may go without a grant. */
export function isGoogleDefault({ protocol, host, port }: Destination): boolean {
  return protocol === 'https' && port === 443 && /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.googleapis\.com$/.test(host);
}

/** Where a key's owner asks Google for tokens. Source: Google's own key files, of today and of before 2018. */
export function isGoogleTokenEndpoint({ protocol, host, port }: Destination): boolean {
  const hosts = ['oauth2.googleapis.com', 'www.googleapis.com', 'accounts.google.com'];
  return protocol === 'https' && port === 443 && hosts.includes(host);
}

/** By its address, or the one name that is reserved for it (RFC 6761), never a name that resolves to it. */
export function isThisMachine(host: string): boolean {
  return host === 'localhost' || isLoopbackAddress(host);
}
