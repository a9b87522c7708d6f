import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext, FetchedSecret, SecretBackend } from '../backend.ts';
import { withinDeadline } from '../http/deadline.ts';
import { inParallel } from '../parallel-jobs.ts';
import type { HcvConfig } from './config.ts';
import { type Answer, Forbidden, fromConnection } from './errors.ts';
import { absenceOf, type KvQuestion, secretOf } from './kv-answer.ts';
import { encodePath, type Server } from './server.ts';
import type { TokenKeeper } from './token-keeper.ts';

/** Calls of one `fetchMany` at once; the engine has none for several secrets. */
const CONCURRENCY = 16;

export interface KvOptions {
  config: HcvConfig;
  server: Server;
  tokens: TokenKeeper;
  context: BackendContext;
}

/** One key/value engine of one server, read under one login. */
export class KvBackend implements SecretBackend {
  readonly scope: string;
  readonly description: string;
  readonly #options: KvOptions;
  readonly #mount: string;

  constructor(options: KvOptions) {
    const { config, server, tokens } = options;
    this.#options = options;
    this.#mount = config.path('mount');
    this.scope = `hcv ${server.identity}`;
    this.description = `${shownName(this.#mount)} (kv ${config.kv}) of ${server.target}, by ${tokens.authentication.method}`;
  }

  async fetch(query: SecretQuery, signal: AbortSignal): Promise<FetchedSecret> {
    const { server, config, context } = this.#options;
    const { path, version } = query;
    const subject = `secret ${JSON.stringify(path)}${version.id === undefined ? '' : ` version ${version.id}`}`;
    const question: KvQuestion = { kv: config.kv, path, subject, target: server.target };
    const segments = path.split('/');
    // The server takes them for steps to another path, where something else than a secret may be.
    if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
      throw new BackendError('not_found', `${subject}: not found, since no secret can have this path`);
    }
    const call = { subject, target: server.target, deadline: context.deadlines.total, signal };
    try {
      return await withinDeadline(call, async (cut) => {
        const answer = await this.#read(query, subject, cut);
        if (answer.status === 404) throw absenceOf(answer, question);
        return secretOf(answer, question);
      });
    } catch (error) {
      throw fromConnection(error, subject, server.target);
    }
  }

  async fetchMany(queries: readonly SecretQuery[], signal: AbortSignal): Promise<Array<FetchedSecret | BackendError>> {
    const results = new Array<FetchedSecret | BackendError>(queries.length);
    const jobs = queries.map((query, index) => async () => {
      // `fetch` rejects with nothing else.
      results[index] = await this.fetch(query, signal).catch((error: BackendError) => error);
    });
    await inParallel(jobs, CONCURRENCY);
    return results;
  }

  /** Reads by the token that there is, and once more by another if that is the reason why it is forbidden. */
  async #read(query: SecretQuery, subject: string, signal: AbortSignal): Promise<Answer> {
    const { tokens } = this.#options;
    const token = await tokens.token();
    try {
      return await this.#readBy(token, query, subject, signal);
    } catch (error) {
      if (!(error instanceof Forbidden)) throw error;
      const another = await tokens.tokenInsteadOf(token, error);
      if (another === undefined) throw error;
      return this.#readBy(another, query, subject, signal);
    }
  }

  #readBy(token: string, { path, version }: SecretQuery, subject: string, signal: AbortSignal): Promise<Answer> {
    const { server, config } = this.#options;
    const engine = config.kv === 'v1' ? this.#mount : `${this.#mount}/data`;
    const query = version.id === undefined || config.kv === 'v1' ? '' : `?version=${encodeURIComponent(version.id)}`;
    const where = `${encodePath(`${engine}/${path}`)}${query}`;
    return server.ask({ operation: 'read', subject, method: 'GET', path: where, token, expected: [404] }, signal);
  }
}
