import { crc32c } from '@aws-crypto/crc32c';
import { googleError } from './google-error.ts';
import type { Project } from './project.ts';

export type VersionState = 'ENABLED' | 'DISABLED' | 'DESTROYED';

export type SecretVersion = {
  number: number;
  /** Null once it is destroyed. */
  data: Buffer | null;
  state: VersionState;
  /** Milliseconds since 1970. */
  createdAt: number;
  destroyedAt: number | null;
};

/** Who may do what to one secret, beyond what a project's grants say. */
export type Binding = { role: string; members: string[] };

export type Secret = {
  project: Project;
  id: string;
  createdAt: number;
  labels: Map<string, string>;
  /** Oldest first; version N stands at N - 1. */
  versions: SecretVersion[];
  bindings: Binding[];
};

/** Source: SecretManagerService.CreateSecret. */
export const SECRET_ID = /^[A-Za-z0-9_-]{1,255}$/;
/** Bytes of a version's data. Source: the quotas page of Secret Manager. */
export const MAX_DATA_BYTES = 65_536;

export const secretName = (secret: Secret): string => `projects/${secret.project.number}/secrets/${secret.id}`;
export const versionName = (secret: Secret, { number }: SecretVersion): string =>
  `${secretName(secret)}/versions/${number}`;
export const checksum = (data: Buffer): number => crc32c(data);

/** Secrets by project. */
export class SecretStore {
  readonly #secrets = new Map<string, Secret>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  find(project: Project, id: string): Secret | null {
    return this.#secrets.get(`${project.number}/${id}`) ?? null;
  }

  /** In order of their ids. */
  list(project: Project): Secret[] {
    return [...this.#secrets.values()]
      .filter((secret) => secret.project.number === project.number)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @throws GoogleError ALREADY_EXISTS */
  create(project: Project, id: string, labels: Iterable<[string, string]> = []): Secret {
    const secret: Secret = {
      project,
      id,
      createdAt: this.#clock(),
      labels: new Map(labels),
      versions: [],
      bindings: [],
    };
    if (this.find(project, id)) throw googleError('ALREADY_EXISTS', `Secret [${secretName(secret)}] already exists.`);
    this.#secrets.set(`${project.number}/${id}`, secret);
    return secret;
  }

  addVersion(secret: Secret, data: Buffer): SecretVersion {
    const version: SecretVersion = {
      number: secret.versions.length + 1,
      data,
      state: 'ENABLED',
      createdAt: this.#clock(),
      destroyedAt: null,
    };
    secret.versions.push(version);
    return version;
  }

  setState(secret: Secret, version: SecretVersion, state: VersionState): void {
    if (version.state === 'DESTROYED' && state !== 'DESTROYED') {
      throw googleError(
        'FAILED_PRECONDITION',
        `Secret Version [${versionName(secret, version)}] is in DESTROYED state.`,
      );
    }
    version.state = state;
    if (state === 'DESTROYED') Object.assign(version, { data: null, destroyedAt: this.#clock() });
  }

  /** The version of a number or of the alias `latest`, the one made last whatever its state. */
  version(secret: Secret, alias: string): SecretVersion | null {
    if (alias === 'latest') return secret.versions.at(-1) ?? null;
    return /^[1-9]\d{0,9}$/.test(alias) ? (secret.versions[Number(alias) - 1] ?? null) : null;
  }

  remove(secret: Secret): void {
    this.#secrets.delete(`${secret.project.number}/${secret.id}`);
  }

  clear(): void {
    this.#secrets.clear();
  }
}
