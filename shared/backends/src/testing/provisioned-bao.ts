import { writeFileSync } from 'node:fs';
import { OpenBao } from './open-bao.ts';

const SECRET_IDS = ['canary-secret-id-1', 'canary-secret-id-2'] as const;

/** An OpenBao as an operator sets it up for data planes: a role of approle that may read the engine `secret` (kv v2). */
export class ProvisionedBao implements AsyncDisposable {
  readonly server: OpenBao;
  /** Has the role's secret_id, as on a data plane. */
  readonly secretIdFile: string;
  /** Every secret's value that was put last. */
  readonly #secrets = new Map<string, unknown>();

  private constructor(server: OpenBao, secretIdFile: string) {
    this.server = server;
    this.secretIdFile = secretIdFile;
  }

  static async start(secretIdFile: string): Promise<ProvisionedBao> {
    const bao = new ProvisionedBao(await OpenBao.start(), secretIdFile);
    await bao.#provision();
    bao.#writeSecretId(SECRET_IDS[0]);
    return bao;
  }

  /** What must stand nowhere but in the role's secret_id file. */
  get canaries(): string[] {
    return [...SECRET_IDS, this.server.rootToken];
  }

  /** A vault of it, as the form of a PUT. */
  get vaultForm(): Record<string, string> {
    return {
      name: 'hcv',
      'config.host': this.server.config.host,
      'config.port': String(this.server.port),
      'config.kv': 'v2',
      'config.auth_method': 'approle',
      'config.approle_role_id': 'dp-id',
      'config.approle_secret_id_file': this.secretIdFile,
    };
  }

  async put(name: string, value: unknown): Promise<void> {
    await this.server.putSecret(name, value);
    this.#secrets.set(name, value);
  }

  async delete(name: string): Promise<void> {
    this.#secrets.delete(name);
    await this.server.api('DELETE', `secret/data/${name}`);
  }

  /** Another server at the same address, set up in the same way and with the same secrets, but no token of the first. */
  async startAgain(): Promise<void> {
    await this.server.startAgain();
    await this.#provision();
    for (const [name, value] of this.#secrets) await this.server.putSecret(name, value);
  }

  /** The secret_id of the file is taken no more, and nor are the tokens that were had by it. */
  async revokeSecretId(): Promise<void> {
    await this.server.api('POST', 'auth/approle/role/dp/secret-id/destroy', { secret_id: SECRET_IDS[0] });
    await this.server.revokeLogins('approle');
  }

  /** The file has another secret_id. */
  async replaceSecretId(): Promise<void> {
    await this.#addSecretId(SECRET_IDS[1]);
    this.#writeSecretId(SECRET_IDS[1]);
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #provision(): Promise<void> {
    await this.server.policy('data-planes', ['secret/data/*']);
    await this.server.enable('approle');
    await this.server.role('dp', { token_policies: 'data-planes', token_ttl: '1h' });
    await this.#addSecretId(SECRET_IDS[0]);
  }

  async #addSecretId(secretId: string): Promise<void> {
    await this.server.api('POST', 'auth/approle/role/dp/custom-secret-id', { secret_id: secretId });
  }

  #writeSecretId(secretId: string): void {
    writeFileSync(this.secretIdFile, `${secretId}\n`, { mode: 0o600 });
  }
}
