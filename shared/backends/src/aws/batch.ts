import { BatchGetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import type { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import type { FetchedSecret } from '../backend.ts';
import { inParallel } from '../parallel-jobs.ts';
import { callAws } from './call.ts';
import { fromAwsCode, fromAwsException, OperationUnknown } from './errors.ts';
import { type SecretsManagerOptions, toFetched } from './secrets-manager-answer.ts';

/** AWS's own limit of BatchGetSecretValue. */
const BATCH_SIZE = 20;
/** Calls of one `fetch` at once. */
const CONCURRENCY = 8;
/** IAM's answer is remembered this long, milliseconds; then batches are tried again. */
const FORBIDDEN_FOR_MS = 3_600_000;

type Result = FetchedSecret | BackendError;
/** By `keyOf` of the query. */
type Results = Map<string, Result>;

/** Reads many secrets by BatchGetSecretValue where that can be done, else one by one. */
export class BatchReader {
  readonly #options: SecretsManagerOptions;
  readonly #fetchOne: (query: SecretQuery, signal: AbortSignal) => Promise<FetchedSecret>;
  #forbiddenUntil = 0;

  constructor(
    options: SecretsManagerOptions,
    fetchOne: (query: SecretQuery, signal: AbortSignal) => Promise<FetchedSecret>,
  ) {
    this.#options = options;
    this.#fetchOne = fetchOne;
  }

  /** Answers in the order of the queries; never rejects. */
  async fetch(queries: readonly SecretQuery[], signal: AbortSignal): Promise<Result[]> {
    const results: Results = new Map();
    // Two vaults may share this backend and ask for one secret.
    const different = [...new Map(queries.map((query) => [keyOf(query), query])).values()];
    const single = different.filter((query) => !batchable(query));
    const batched = different.filter(batchable);
    const jobs = chunks(batched, BATCH_SIZE).map((chunk) => async () => {
      for (const query of await this.#fetchChunk(chunk, results, signal))
        await this.#fetchSingly(query, results, signal);
    });
    jobs.push(...single.map((query) => () => this.#fetchSingly(query, results, signal)));
    await inParallel(jobs, CONCURRENCY);
    return queries.map((query) => results.get(keyOf(query))!);
  }

  async #fetchSingly(query: SecretQuery, results: Results, signal: AbortSignal): Promise<void> {
    try {
      results.set(keyOf(query), await this.#fetchOne(query, signal));
    } catch (error) {
      results.set(keyOf(query), fromAwsException(error, `secret ${JSON.stringify(query.path)}`, this.#options.target));
    }
  }

  /** Fills in what one batch call answers; gives back those that must be asked for one by one. */
  async #fetchChunk(chunk: SecretQuery[], results: Results, signal: AbortSignal): Promise<SecretQuery[]> {
    if (chunk.length === 1 || performance.now() < this.#forbiddenUntil) return chunk;
    const { client, credentials, target, context } = this.#options;
    const subject = `${chunk.length} secrets`;
    const { counts, deadlines } = context;
    const call = {
      operation: 'BatchGetSecretValue',
      subject,
      target,
      credentials,
      deadline: deadlines.total,
      signal,
      counts,
    };
    const byId = new Map(chunk.map((query) => [query.path, query]));
    let token: string | undefined;
    try {
      // An answer of more than AWS's size limit comes in pages; each holds at least one secret.
      for (let page = 0; page < BATCH_SIZE && byId.size > 0; page++) {
        const command = new BatchGetSecretValueCommand({
          SecretIdList: chunk.map((query) => query.path),
          ...(token !== undefined && { NextToken: token }),
        });
        const answer = await callAws(call, (abortSignal) => client.send(command, { abortSignal }));
        for (const value of answer.SecretValues ?? []) {
          const id = [value.Name, value.ARN, value.ARN?.replace(/-[A-Za-z0-9]{6}$/, '')].find(
            (name) => name && byId.has(name),
          );
          if (id === undefined) continue;
          results.set(keyOf(byId.get(id)!), toFetched(value, `secret ${JSON.stringify(id)}`, target));
          byId.delete(id);
        }
        for (const error of answer.Errors ?? []) {
          const query = byId.get(error.SecretId ?? '');
          if (!query) continue;
          results.set(
            keyOf(query),
            fromAwsCode(error.ErrorCode ?? '', undefined, `secret ${JSON.stringify(query.path)}`, error.Message),
          );
          byId.delete(query.path);
        }
        token = answer.NextToken;
        if (token === undefined) break;
      }
      // What the answer did not speak of.
      return [...byId.values()];
    } catch (error) {
      const mapped = fromAwsException(error, subject, target);
      const forbidden = mapped.code === 'access_denied' || mapped instanceof OperationUnknown;
      if (forbidden) {
        this.#forbiddenUntil = performance.now() + FORBIDDEN_FOR_MS;
        const facts = { vault: this.#options.description, reason: mapped.message };
        context.log.info(facts, 'BatchGetSecretValue is not to be had; secrets are fetched one by one');
      }
      // Only an answer about the batch itself makes it worth asking for each: an outage would be asked twenty times.
      if (forbidden || mapped.code !== 'unavailable') return [...byId.values()];
      for (const query of byId.values()) results.set(keyOf(query), mapped);
      return [];
    }
  }
}

function keyOf({ path, version }: SecretQuery): string {
  return JSON.stringify([path, version.id, version.stage]);
}

/** BatchGetSecretValue gives current versions only. */
function batchable({ version }: SecretQuery): boolean {
  return version.id === undefined && version.stage === 'AWSCURRENT';
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
