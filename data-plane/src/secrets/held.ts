import type { FetchedSecret } from '@vaultplane/shared/backends/backend.ts';
import type { SecretValue } from '@vaultplane/shared/secret-value.ts';

/** One fetched version of a secret. One object: there are as many as secrets are held. */
export class Held {
  /** Hides itself wherever it is printed. */
  readonly value: SecretValue;
  readonly versionId: string | null;
  readonly stages: readonly string[];
  readonly createdAt: number | null;
  readonly arn: string | null;
  readonly name: string;
  /** The wall clock's time of the fetch, milliseconds. */
  readonly wallFetchedAt: number;

  constructor({ value, version, createdAt, arn, name }: FetchedSecret, wallFetchedAt: number) {
    this.value = value;
    this.versionId = version.id;
    this.stages = shared(version.stages);
    this.createdAt = createdAt;
    this.arn = arn;
    this.name = name;
    this.wallFetchedAt = wallFetchedAt;
  }

  get version(): FetchedSecret['version'] {
    return { id: this.versionId, stages: this.stages };
  }

  /** As it was fetched. */
  get secret(): FetchedSecret {
    const { value, version, createdAt, arn, name } = this;
    return { value, version, createdAt, arn, name };
  }
}

/** Nearly all versions that are held are current ones: AWS's stage of those, or none. */
const USUAL: ReadonlyArray<readonly string[]> = [Object.freeze(['AWSCURRENT']), Object.freeze([])];

function shared(stages: readonly string[]): readonly string[] {
  return USUAL.find((usual) => usual.length === stages.length && usual[0] === stages[0]) ?? stages;
}
