import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { STSClient } from '@aws-sdk/client-sts';
import type { Emulator } from './emulator.ts';

export type ClientOptions = {
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  maxAttempts?: number;
};

/** Real AWS clients of `emulator`, as the administrator unless told otherwise; one attempt, so that calls can be counted. */
export function secretsClient(emulator: Emulator, options: ClientOptions = {}): SecretsManagerClient {
  return new SecretsManagerClient(settings(emulator, options));
}

export function stsClient(emulator: Emulator, options: ClientOptions = {}): STSClient {
  return new STSClient(settings(emulator, options));
}

const settings = (emulator: Emulator, options: ClientOptions) => ({
  region: options.region ?? emulator.region,
  endpoint: options.endpoint ?? emulator.url,
  // A copy, since the SDK writes into it.
  credentials: { ...(options.credentials ?? emulator.credentials) },
  maxAttempts: options.maxAttempts ?? 1,
});
