import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import type { FetchedSecret, SecretBackend, SecretTag } from '../backend.ts';
import { BatchReader } from './batch.ts';
import { callAws } from './call.ts';
import { fromAwsException } from './errors.ts';
import { type SecretsManagerOptions, toFetched } from './secrets-manager-answer.ts';
import { findByTag } from './tagged.ts';

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
