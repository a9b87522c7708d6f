/** The regions of every AWS partition. Source: the AWS SDK's partitions.json (@aws-sdk/core 3.981.1). */
const REGIONS: ReadonlySet<string> = new Set(
  (
    'af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ' +
    'ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 ' +
    'eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 ' +
    'me-south-1 me-west-1 mx-central-1 sa-east-1 sa-west-1 us-east-1 us-east-2 us-west-1 us-west-2 ' +
    'cn-north-1 cn-northwest-1 eusc-de-east-1 us-gov-east-1 us-gov-west-1 us-iso-east-1 us-iso-west-1 ' +
    'us-isob-east-1 us-isob-west-1 eu-isoe-west-1 us-isof-east-1 us-isof-south-1'
  ).split(' '),
);

/** Of this release; AWS may have more since. */
export function isKnownRegion(region: string): boolean {
  return REGIONS.has(region);
}

/** Why a region is doubtful: it may be new, or misspelt. Undefined where it is one that is known, or is not set. */
export function regionWarning(region: unknown): string | undefined {
  if (typeof region !== 'string' || isKnownRegion(region)) return undefined;
  return `${region} is no region of AWS that this release knows; is it spelt right?`;
}
