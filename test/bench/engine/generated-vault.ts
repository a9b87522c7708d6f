import { hash } from 'node:crypto';
import type { FetchedSecret, SecretBackend } from '@vaultplane/backends/backend.ts';
import type { BackendSource } from '@vaultplane/backends/backends.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';

/** AWS gives so many secrets a call. */
const BATCH_SIZE = 20;
const CREATED_AT = Date.UTC(2026, 0, 1, 12, 34, 56, 789);

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
    const answer = ({ path }: SecretQuery): FetchedSecret => {
      const text = this.#valueAt(path);
      const facts = {
        version: { id: uuidOf(text), stages: ['AWSCURRENT'] },
        createdAt: CREATED_AT,
        arn: `arn:aws:secretsmanager:us-east-1:123456789012:secret:${path}-AbCdEf`,
        name: path,
      };
      // As it comes from AWS: texts that are flat, and of this answer alone.
      return { value: SecretValue.ofText(text), ...(JSON.parse(JSON.stringify(facts)) as typeof facts) };
    };
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

/** Always the same for a text. */
function uuidOf(text: string): string {
  return hash('sha256', text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}
