import { appendFileSync, readFileSync } from 'node:fs';
import type { BackendContext, BackendFamily, FetchedSecret, SecretBackend } from '@vaultplane/backends/backend.ts';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import type { SecretQuery } from '@vaultplane/model/vaults/vault-type.ts';

/** What stands in the file of a vault of type `toy`. */
export interface ToyFile {
  /** Whoever asks must show it; absent: anybody may. */
  token?: string;
  /** Versions, oldest first, by `REALM/PATH`. */
  secrets: Record<string, string[]>;
}

/** Reads its file anew at every call, and adds a line to `FILE.calls`. */
class ToyBackend implements SecretBackend {
  readonly scope: string;
  readonly description: string;
  readonly #config: VaultConfig;

  constructor(config: VaultConfig) {
    this.#config = config;
    this.scope = `toy ${config.file}`;
    this.description = `toys of ${config.file}`;
  }

  async fetch(query: SecretQuery): Promise<FetchedSecret> {
    const [found] = await this.fetchMany([query]);
    if (found instanceof BackendError) throw found;
    return found!;
  }

  async fetchMany(queries: readonly SecretQuery[]): Promise<Array<FetchedSecret | BackendError>> {
    const { file, token } = this.#config;
    let content: ToyFile;
    try {
      appendFileSync(`${file}.calls`, `${queries.map(({ path }) => path).join(' ')}\n`);
      content = JSON.parse(readFileSync(String(file), 'utf8')) as ToyFile;
    } catch {
      return queries.map(() => new BackendError('unavailable', `the toys of ${file} can't be reached`));
    }
    if (content.token !== undefined && content.token !== token) {
      const refused = new BackendError('unavailable', 'the toys refuse the token', { credentialsRefused: true });
      return queries.map(() => refused);
    }
    return queries.map((query) => this.#find(content, query));
  }

  #find({ secrets }: ToyFile, { path, version }: SecretQuery): FetchedSecret | BackendError {
    const versions = secrets[`${this.#config.realm}/${path}`] ?? [];
    const number = version.id === undefined ? versions.length : Number(version.id);
    const text = versions[number - 1];
    if (text === undefined) return new BackendError('not_found', `there is no toy ${path}`);
    return {
      value: SecretValue.ofText(text),
      version: { id: String(number), stages: [] },
      createdAt: null,
      arn: null,
      name: path,
    };
  }
}

export function startFamily(_context: BackendContext): BackendFamily {
  return { open: async (config) => new ToyBackend(config), stop() {} };
}
