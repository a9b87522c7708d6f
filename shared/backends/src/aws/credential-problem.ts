import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { fileProblem, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { codeOf, localProblemOf } from '../http/connection-problem.ts';
import { awsReason } from './reason.ts';

/** What ProviderFailed means, by its name. */
const OWN_PROVIDERS: Readonly<Record<string, string>> = {
  InvalidAnswer: 'it answered without credentials',
  EndpointNotAllowed:
    'AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or lead to this machine or to an address of ECS or EKS',
  EndpointRefused: 'its endpoint refuses; look at AWS_CONTAINER_AUTHORIZATION_TOKEN and …_TOKEN_FILE',
  InvalidAuthorizationToken: 'its authorization token has a line break in it',
  BadMetadataEndpoint: 'AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL',
  InstanceMetadataV1Disabled: 'IMDSv2 gives no token, and AWS_EC2_METADATA_V1_DISABLED forbids IMDSv1',
  MetadataRefused: 'the metadata service gives none; look at whether the machine has an instance profile',
};

/** What the SDK's providers say, and what it means here. Their sentences may quote an answer, so only ours are shown. */
const SDK_PROVIDERS: ReadonlyArray<readonly [sentence: RegExp, meaning: string]> = [
  [/response not of the required format/, 'it answered without credentials'],
  [/Could not resolve credentials using profile/, 'the profile that it builds on has no credentials'],
  [/Detected a cycle attempting to resolve/, 'its source_profile leads back to itself'],
  [/requires multi-factor authentication/, 'its mfa_serial needs a person at the keyboard, which is not supported'],
  [/Unsupported credential source/, 'its credential_source must be Environment, Ec2InstanceMetadata or EcsContainer'],
  [/Invalid response received from instance metadata service/, 'it answered without credentials'],
];

interface ProviderError {
  name?: unknown;
  message?: unknown;
  path?: unknown;
  statusCode?: unknown;
  $metadata?: { httpStatusCode?: unknown };
}

/** What is known to be safe of a provider's error: its messages may quote an answer, and so a credential. */
export function credentialProblem(error: unknown): string {
  if (error instanceof BackendError) return error.message;
  const { name, message, path, statusCode, $metadata } = (error ?? {}) as ProviderError;
  const text = typeof message === 'string' ? message : '';
  // Such as AWS_WEB_IDENTITY_TOKEN_FILE.
  if (typeof path === 'string') return `${shownPath(path)} can't be read: ${fileProblem(error)}`;
  // Providers wrap the connection's error, and keep no more of it than its text.
  const code = codeOf(error) ?? /\b(E[A-Z]{4,15})\b/.exec(text)?.[1];
  if (code === 'ETIMEDOUT') return 'timeout';
  if (code !== undefined) return localProblemOf(error) ?? code;
  const known = typeof name === 'string' && /^[A-Z][A-Za-z]{2,60}$/.test(name) ? name : 'error';
  const meaning = OWN_PROVIDERS[known] ?? SDK_PROVIDERS.find(([sentence]) => sentence.test(text))?.[1];
  const status = statusCode ?? $metadata?.httpStatusCode ?? /status: (\d{3})/.exec(text)?.[1];
  const { words, look } = awsReason(known, text);
  const timeout = /timeout|timed out/i.test(text) ? 'timeout' : undefined;
  const shown = `${meaning ?? timeout ?? known}${status === undefined ? '' : `, HTTP ${status}`}`;
  return `${shown}${words && `: ${words}`}${look && `; ${look}`}`;
}
