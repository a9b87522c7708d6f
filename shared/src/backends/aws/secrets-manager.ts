import {
  GetSecretValueCommand,
  type GetSecretValueCommandOutput,
  type SecretsManagerClient,
  type SecretValueEntry,
} from '@aws-sdk/client-secrets-manager';
import { BackendError } from '../../backend-error.ts';
import { SecretValue } from '../../secret-value.ts';
import type { SecretQuery } from '../../vaults/vault-type.ts';
import type { BackendContext, FetchedSecret, SecretBackend, SecretTag } from '../backend.ts';
import { BatchReader } from './batch.ts';
import { callAws } from './call.ts';
import type { CredentialStore } from './credential-store.ts';
import { fromAwsException } from './errors.ts';
import { findByTag } from './tagged.ts';

export interface SecretsManagerOptions {
  client: SecretsManagerClient;
  credentials: CredentialStore;
  scope: string;
  description: string;
  /** As `description`, without where the region came from; for errors. */
  target: string;
  context: BackendContext;
}

/** AWS Secrets Manager in one region, under one identity. */
export class SecretsManagerBackend implements SecretBackend {
  readonly scope: string;
  readonly description: string;
  readonly #options: SecretsManagerOptions;
  readonly #batches: BatchReader;

  constructor(options: SecretsManagerOptions) {
    this.scope = options.scope;
    this.description = options.description;
    this.#options = options;
    this.#batches = new BatchReader(options, (query, signal) => this.fetch(query, signal));
  }

  async fetch({ path, version }: SecretQuery, signal: AbortSignal): Promise<FetchedSecret> {
    const { client, credentials, target, context } = this.#options;
    const subject = `secret ${JSON.stringify(path)}`;
    const command = new GetSecretValueCommand({
      SecretId: path,
      ...(version.id !== undefined && { VersionId: version.id }),
      ...(version.stage !== undefined && { VersionStage: version.stage }),
    });
    const { counts, deadlines } = context;
    const call = {
      operation: 'GetSecretValue',
      subject,
      target,
      credentials,
      deadline: deadlines.total,
      signal,
      counts,
    };
    try {
      return toFetched(await callAws(call, (abortSignal) => client.send(command, { abortSignal })), subject, target);
    } catch (error) {
      throw fromAwsException(error, subject, target);
    }
  }

  fetchMany(queries: readonly SecretQuery[], signal: AbortSignal): Promise<Array<FetchedSecret | BackendError>> {
    return this.#batches.fetch(queries, signal);
  }

  findByTag(tag: SecretTag, signal: AbortSignal): Promise<string[]> {
    return findByTag(this.#options, tag, signal);
  }
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
