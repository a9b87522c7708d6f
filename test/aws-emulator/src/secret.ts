import { AwsError } from './aws-error.ts';

export type SecretValue = { text: string } | { bytes: Buffer };

export type SecretVersion = {
  readonly id: string;
  readonly value: SecretValue;
  /** Milliseconds since 1970, as all times in here. */
  readonly createdAt: number;
  readonly stages: Set<string>;
};

export const AWSCURRENT = 'AWSCURRENT';
export const AWSPREVIOUS = 'AWSPREVIOUS';

/** AWS keeps about 100 versions and drops label-less ones beyond that, but none younger than a day. */
const VERSIONS_KEPT = 100;
const DAY_MS = 86_400_000;

/** One secret: its versions and the staging labels on them, which move as Secrets Manager moves them. */
export class Secret {
  readonly account: string;
  readonly region: string;
  readonly name: string;
  readonly arn: string;
  readonly createdAt: number;
  readonly versions = new Map<string, SecretVersion>();
  readonly tags = new Map<string, string>();
  description: string | null = null;
  kmsKeyId: string | null = null;
  changedAt: number;
  accessedAt: number | null = null;
  /** Set by DeleteSecret: when it was asked for and when nothing will be left. */
  deletion: { askedAt: number; purgeAt: number } | null = null;
  /** Accounts that a resource policy would let in. */
  readonly sharedWith = new Set<string>();

  constructor(account: string, region: string, name: string, arn: string, now: number) {
    this.account = account;
    this.region = region;
    this.name = name;
    this.arn = arn;
    this.createdAt = now;
    this.changedAt = now;
  }

  /**
   * Adds a version and moves the labels to it: AWSCURRENT when `stages` is null or the version is the first.
   * The same token with the same value again changes nothing; with another value it is ResourceExistsException.
   */
  addVersion(id: string, value: SecretValue, stages: string[] | null, now: number): SecretVersion {
    const existing = this.versions.get(id);
    if (existing) {
      if (sameValue(existing.value, value)) return existing;
      throw new AwsError(
        'ResourceExistsException',
        `You can't use ClientRequestToken ${id} because that value is already in use for a version of secret ${this.arn}.`,
      );
    }
    const version: SecretVersion = { id, value, createdAt: now, stages: new Set() };
    const first = this.versions.size === 0;
    this.versions.set(id, version);
    const labels = new Set(stages ?? [AWSCURRENT]);
    if (first) labels.add(AWSCURRENT);
    for (const label of labels) this.#attach(label, version);
    this.changedAt = now;
    this.#dropDeprecated(now);
    return version;
  }

  /** UpdateSecretVersionStage: takes the label off one version, puts it on another, or both. */
  moveStage(stage: string, removeFrom: string | null, moveTo: string | null, now: number): void {
    const holder = this.holderOf(stage);
    const target = moveTo === null ? null : this.#version(moveTo);
    if (removeFrom !== null) {
      const source = this.#version(removeFrom);
      if (source !== holder) {
        throw new AwsError(
          'InvalidParameterException',
          `Can't remove staging label ${stage} from version ${removeFrom} because it isn't attached to that version.`,
        );
      }
    }
    if (holder && target !== holder && removeFrom === null) {
      throw new AwsError(
        'InvalidParameterException',
        `The parameter RemoveFromVersionId can't be empty. Staging label ${stage} is currently attached to version ${holder.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
      );
    }
    if (target === null) {
      if (stage === AWSCURRENT) {
        throw new AwsError(
          'InvalidParameterException',
          `You can only move staging label ${AWSCURRENT} to a different secret version. It can't be completely removed.`,
        );
      }
      holder?.stages.delete(stage);
    } else {
      this.#attach(stage, target);
    }
    this.changedAt = now;
  }

  holderOf(stage: string): SecretVersion | null {
    for (const version of this.versions.values()) if (version.stages.has(stage)) return version;
    return null;
  }

  /** The version that GetSecretValue means by an id, a label, both (which must agree) or neither (AWSCURRENT). */
  find(versionId: string | null, stage: string | null): SecretVersion {
    if (versionId !== null) {
      const version = this.versions.get(versionId);
      if (!version) throw valueNotFound(`VersionId: ${versionId}`);
      if (stage !== null && !version.stages.has(stage)) {
        throw new AwsError(
          'InvalidRequestException',
          'You provided a VersionStage that is not associated to the provided VersionId.',
        );
      }
      return version;
    }
    const version = this.holderOf(stage ?? AWSCURRENT);
    if (!version) throw valueNotFound(`staging label: ${stage ?? AWSCURRENT}`);
    return version;
  }

  /** Versions that carry a label, as DescribeSecret and ListSecrets show them: the others are deprecated. */
  labelledVersions(): Record<string, string[]> {
    const labelled = [...this.versions.values()].filter((version) => version.stages.size > 0);
    return Object.fromEntries(labelled.map((version) => [version.id, [...version.stages]]));
  }

  #attach(label: string, version: SecretVersion): void {
    const holder = this.holderOf(label);
    if (holder === version) return;
    holder?.stages.delete(label);
    version.stages.add(label);
    // Where AWSCURRENT leaves, AWSPREVIOUS arrives: one operation at AWS, so that a rollback always has a target.
    if (label === AWSCURRENT && holder) this.#attach(AWSPREVIOUS, holder);
  }

  #version(id: string): SecretVersion {
    const version = this.versions.get(id);
    if (!version) throw valueNotFound(`VersionId: ${id}`);
    return version;
  }

  #dropDeprecated(now: number): void {
    for (const version of this.versions.values()) {
      if (this.versions.size <= VERSIONS_KEPT) return;
      if (version.stages.size === 0 && now - version.createdAt > DAY_MS) this.versions.delete(version.id);
    }
  }
}

export function sameValue(a: SecretValue, b: SecretValue): boolean {
  if ('text' in a) return 'text' in b && a.text === b.text;
  return 'bytes' in b && a.bytes.equals(b.bytes);
}

const valueNotFound = (what: string): AwsError =>
  new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified secret value for ${what}`);
