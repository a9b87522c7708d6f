import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { isPlainUrl } from '@vaultplane/platform/net/plain-url.ts';
import { type Profile, readProfile } from './profile.ts';

/** An address other than AWS's own, and the setting that it came from. */
export interface Endpoint {
  url: string;
  from: string;
}

/** The AWS SDK's own settings of an endpoint: for the service, else for all. */
export function configuredEndpoint(
  service: 'STS' | 'SECRETS_MANAGER' | 'S3',
  env: NodeJS.ProcessEnv,
): Endpoint | undefined {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true') return undefined;
  for (const from of [`AWS_ENDPOINT_URL_${service}`, 'AWS_ENDPOINT_URL']) {
    const url = env[from];
    if (!url) continue;
    if (!isPlainUrl(url)) throw new BackendError('unavailable', `${from} is no http:// or https:// URL`);
    return { url, from };
  }
  return undefined;
}

/**
 * As `configuredEndpoint`, or else what the selected profile says: the order in which the SDK looks. Source: AWS SDKs
 * reference guide, "Service-specific endpoints".
 */
export async function localEndpoint(
  service: 'STS' | 'SECRETS_MANAGER',
  env: NodeJS.ProcessEnv,
): Promise<Endpoint | undefined> {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS?.toLowerCase() === 'true') return undefined;
  return configuredEndpoint(service, env) ?? profileEndpoint(service.toLowerCase(), await readProfile(env));
}

function profileEndpoint(service: string, { name, section, sections }: Profile): Endpoint | undefined {
  if (section?.ignore_configured_endpoint_urls?.toLowerCase() === 'true') return undefined;
  const ofServices = section?.services === undefined ? undefined : sections[`services.${section.services}`];
  const url = ofServices?.[`${service}.endpoint_url`] ?? section?.endpoint_url;
  if (url === undefined) return undefined;
  if (!isPlainUrl(url)) {
    throw new BackendError('unavailable', `endpoint_url of the AWS profile ${name} is no http:// or https:// URL`);
  }
  return { url, from: `profile ${name}` };
}

/** Regions in which AWS_STS_REGIONAL_ENDPOINTS=legacy means the global endpoint. Source: AWS SDKs reference guide. */
const LEGACY_STS_REGIONS = new Set(
  (
    'ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 ' +
    'eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2'
  ).split(' '),
);

/** Where STS is asked, and the region it is signed for: the vault's own region, unless the legacy form is asked for. */
export function stsTarget(
  region: string,
  vaultEndpoint: string | undefined,
  env: NodeJS.ProcessEnv,
  profileSetting?: string,
): { region: string; endpoint: Endpoint | undefined } {
  const endpoint = vaultEndpoint ? { url: vaultEndpoint, from: 'sts_endpoint_url' } : configuredEndpoint('STS', env);
  if (endpoint) return { region, endpoint };
  const form = env.AWS_STS_REGIONAL_ENDPOINTS ?? profileSetting;
  if (form?.toLowerCase() === 'legacy' && LEGACY_STS_REGIONS.has(region)) {
    const legacy = { url: 'https://sts.amazonaws.com', from: 'AWS_STS_REGIONAL_ENDPOINTS=legacy' };
    return { region: 'us-east-1', endpoint: legacy };
  }
  return { region, endpoint: undefined };
}
