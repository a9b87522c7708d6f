import type { FetchedSecret, SecretBackend, SecretQuery } from '@vaultplane/shared/backends/backend.ts';
import type { BackendSource } from '@vaultplane/shared/backends/backends.ts';
import { SecretValue } from '@vaultplane/shared/secret-value.ts';

/** AWS gives so many secrets a call. */
const BATCH_SIZE = 20;

/** Vaults whose values are made when they are asked for, so that nothing but the resolver holds any. */
export class GeneratedVault implements BackendSource {
  /** Upstream calls, as AWS would count them. */
  calls = 0;
  readonly #valueAt: (path: string) => string;

  /** @param valueAt the text of the secret with this path, as it is now */
  constructor(valueAt: (path: string) => string) {
    this.#valueAt = valueAt;
  }

  async open(): Promise<SecretBackend> {
    const answer = ({ path }: SecretQuery): FetchedSecret => ({
      value: SecretValue.ofText(this.#valueAt(path)),
      version: { id: `version-of-${path}`, stages: ['AWSCURRENT'] },
      createdAt: 1,
      arn: `arn:aws:secretsmanager:us-east-1:123456789012:secret:${path}-AbCdEf`,
      name: path,
    });
    return {
      scope: 'us-east-1',
      description: 'a generated vault',
      fetch: async (query) => {
        this.calls++;
        return answer(query);
      },
      fetchMany: async (queries) => {
        this.calls += Math.ceil(queries.length / BATCH_SIZE);
        return queries.map(answer);
      },
    };
  }

  stop(): void {}
}
