import type {
  GetSecretValueCommandOutput,
  SecretsManagerClient,
  SecretValueEntry,
} from '@aws-sdk/client-secrets-manager';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { BackendContext, FetchedSecret } from '../backend.ts';
import type { CredentialStore } from './credential-store.ts';

/** What one AWS Secrets Manager is asked with. */
export interface SecretsManagerOptions {
  client: SecretsManagerClient;
  credentials: CredentialStore;
  scope: string;
  description: string;
  /** As `description`, without where the region came from; for errors. */
  target: string;
  context: BackendContext;
}

/** @throws BackendError unavailable where the answer has no value, which AWS's never lacks */
export function toFetched(
  answer: GetSecretValueCommandOutput | SecretValueEntry,
  subject: string,
  target: string,
): FetchedSecret {
  const { SecretString: text, SecretBinary: binary } = answer;
  if (typeof text !== 'string' && !(binary instanceof Uint8Array)) {
    throw new BackendError('unavailable', `${subject}: ${target} answered without a value`);
  }
  const created = answer.CreatedDate instanceof Date ? answer.CreatedDate.getTime() : Number.NaN;
  return {
    value: typeof text === 'string' ? SecretValue.ofText(text) : SecretValue.ofBinary(binary!),
    version: { id: answer.VersionId ?? null, stages: answer.VersionStages ?? [] },
    createdAt: Number.isNaN(created) ? null : created,
    arn: answer.ARN ?? null,
    name: answer.Name ?? '',
  };
}
