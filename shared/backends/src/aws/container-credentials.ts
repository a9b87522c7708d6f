import { readFile } from 'node:fs/promises';
import { isLoopbackAddress } from '@vaultplane/model/upstream-policy/addresses.ts';
import { abortAfter } from '@vaultplane/platform/time/clock.ts';
import type { AwsConnections } from './connections.ts';
import type { AwsCredentials } from './credential-store.ts';
import { credentialsIn, ProviderFailed } from './provider-answer.ts';

/** Where a task on ECS has its credentials. Source: AWS SDKs reference guide, "Container credential provider". */
const ECS = 'http://169.254.170.2';
/** What may be asked over plain http: ECS, EKS, and this machine. Source: the same. */
const PLAIN_HOSTS = ['169.254.170.2', '169.254.170.23', 'fd00:ec2::23', 'localhost'];
const TRIES = 2;

/**
 * The credentials of a task on ECS or a pod on EKS, from the endpoint that its environment names.
 *
 * @param timeoutMs of each of its two tries
 * @throws ProviderFailed; Error of the connection or of the token's file, with its `code`; BackendError
 */
export async function containerCredentials(
  connections: AwsConnections,
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<AwsCredentials> {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const url = URL.parse(relative ? ECS + relative : (env.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? ''));
  if (!url || !mayBeAsked(url)) throw new ProviderFailed('EndpointNotAllowed');
  for (let tried = 1; ; tried++) {
    try {
      const token = await tokenOf(env);
      const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
      const answer = await connections.ask({ method: 'GET', url, headers }, abortAfter(timeoutMs));
      if (answer.status !== 200) throw new ProviderFailed('EndpointRefused', answer.status);
      return credentialsIn(answer.body.toString('utf8'));
    } catch (error) {
      if (tried === TRIES) throw error;
    }
  }
}

/** The token is not for everybody: the endpoint is this machine's, or shows a certificate. */
function mayBeAsked({ protocol, hostname }: URL): boolean {
  if (protocol === 'https:') return true;
  const host = hostname.replace(/^\[|\]$/g, '');
  return protocol === 'http:' && (PLAIN_HOSTS.includes(host) || isLoopbackAddress(host));
}

/** What is shown to the endpoint. The file goes first, and is read anew: it is rotated. */
async function tokenOf(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file ? await readFile(file, 'utf8') : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  if (token && /[\r\n]/.test(token.trimEnd())) throw new ProviderFailed('InvalidAuthorizationToken');
  return token?.trimEnd() || undefined;
}
