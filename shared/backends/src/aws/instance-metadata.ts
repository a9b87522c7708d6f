import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { abortAfter } from '@vaultplane/platform/time/clock.ts';
import type { HttpAnswer } from '../http/http-exchange.ts';
import type { AwsConnections } from './connections.ts';
import type { AwsCredentials } from './credential-store.ts';
import { readProfile } from './profile.ts';
import { credentialsIn, ProviderFailed } from './provider-answer.ts';

/** Source: AWS SDKs reference guide, "IMDS credential provider". */
const ENDPOINTS = { ipv4: 'http://169.254.169.254', ipv6: 'http://[fd00:ec2::254]' } as const;
const CREDENTIALS_PATH = '/latest/meta-data/iam/security-credentials/';
const TOKEN_PATH = '/latest/api/token';
const TOKEN_HEADER = 'x-aws-ec2-metadata-token';
const TOKEN_SECONDS = 21_600;

/**
 * The credentials of this machine's role, from the EC2 instance metadata service. The SDK's own provider reads the process's
 * environment and sends by Node.js's global agent, on whose kept connections a dead one is an error.
 *
 * @param timeoutMs of each of its three calls
 * @throws ProviderFailed; Error of the connection, with its `code`; BackendError
 */
export async function instanceCredentials(
  connections: AwsConnections,
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<AwsCredentials> {
  const { section = {} } = await readProfile(env);
  const setting = (name: string, key: string) => env[name] || section[key];
  const mode = setting('AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE', 'ec2_metadata_service_endpoint_mode') ?? 'IPv4';
  const given = setting('AWS_EC2_METADATA_SERVICE_ENDPOINT', 'ec2_metadata_service_endpoint');
  const base = URL.parse(given ?? ENDPOINTS[mode.toLowerCase() as keyof typeof ENDPOINTS] ?? '');
  if (!base) throw new ProviderFailed('BadMetadataEndpoint');
  const isV1Off = setting('AWS_EC2_METADATA_V1_DISABLED', 'ec2_metadata_v1_disabled') ?? 'false';

  const ask = (method: 'GET' | 'PUT', path: string, headers: Record<string, string>): Promise<HttpAnswer> =>
    connections.ask({ method, url: new URL(path, base), headers }, abortAfter(timeoutMs));
  const token = await tokenOf(ask);
  if (token === null && isV1Off !== 'false') throw new ProviderFailed('InstanceMetadataV1Disabled');
  const headers: Record<string, string> = token === null ? {} : { [TOKEN_HEADER]: token };
  const get = async (path: string): Promise<string> => {
    const answer = await ask('GET', path, headers);
    if (answer.status < 200 || answer.status >= 300) throw new ProviderFailed('MetadataRefused', answer.status);
    return answer.body.toString('utf8');
  };
  const role = (await get(CREDENTIALS_PATH)).trim();
  return credentialsIn(await get(CREDENTIALS_PATH + role));
}

/**
 * The token of a session of version 2; null where there is none to be had, so that version 1 is left. The answer may also
 * get lost: it may be let through to this machine and not to a container on it (a hop limit of 1).
 */
async function tokenOf(
  ask: (method: 'PUT', path: string, headers: Record<string, string>) => Promise<HttpAnswer>,
): Promise<string | null> {
  const headers = { [`${TOKEN_HEADER}-ttl-seconds`]: String(TOKEN_SECONDS), 'content-length': '0' };
  const answer = await ask('PUT', TOKEN_PATH, headers).catch((error: unknown) => {
    if (error instanceof BackendError) throw error;
    return undefined;
  });
  if (answer?.status === 400) throw new ProviderFailed('MetadataRefused', answer.status);
  return answer?.status === 200 ? answer.body.toString('utf8') : null;
}
