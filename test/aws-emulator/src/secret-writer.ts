import { randomUUID } from 'node:crypto';
import { AwsError, markedForDeletion } from './aws-error.ts';
import { constraint, type RequestFields } from './request-fields.ts';
import type { Secret, SecretValue } from './secret.ts';
import type { SecretAccess, SecretCall } from './secret-access.ts';
import { type SecretStore, secretArn } from './secret-store.ts';

type Result = Record<string, unknown>;

/** Largest value, bytes: Secrets Manager's quota. */
export const MAX_VALUE_BYTES = 65_536;
const DAY_MS = 86_400_000;

/** The operations that change secrets. */
export class SecretWriter {
  readonly #store: SecretStore;
  readonly #access: SecretAccess;
  readonly #clock: () => number;

  constructor(store: SecretStore, access: SecretAccess, clock: () => number) {
    this.#store = store;
    this.#access = access;
    this.#clock = clock;
  }

  createSecret(call: SecretCall, fields: RequestFields): Result {
    const name = fields.requiredString('Name', 1, 512);
    if (!/^[\w/+=.@!-]+$/.test(name)) {
      throw new AwsError(
        'ValidationException',
        'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
      );
    }
    const token = clientToken(fields);
    const value = secretValueOf(fields);
    const { account } = call.caller;
    this.#access.checkNew(call, name, secretArn(account, call.region, name));
    const tags = fields.tags('Tags');
    const description = fields.string('Description', 0, 2048);
    const kmsKeyId = fields.string('KmsKeyId', 0, 2048);

    const twin = this.#store.lookUp({ account, region: call.region, id: name });
    if (twin && !twin.deletion && value && twin.versions.has(token)) {
      // A repeat of a CreateSecret whose answer was lost: AWS says again what it said then.
      return { ...identity(twin), VersionId: twin.addVersion(token, value, null, this.#clock()).id };
    }
    const secret = this.#store.create(account, call.region, name);
    for (const [key, tag] of tags) secret.tags.set(key, tag);
    secret.description = description;
    secret.kmsKeyId = kmsKeyId;
    if (!value) return identity(secret);
    return { ...identity(secret), VersionId: secret.addVersion(token, value, null, this.#clock()).id };
  }

  putSecretValue(call: SecretCall, fields: RequestFields): Result {
    const secret = this.#open(call, fields);
    const value = secretValueOf(fields);
    if (!value) {
      throw new AwsError('InvalidRequestException', 'You must provide either SecretString or SecretBinary.');
    }
    const stages = fields.strings('VersionStages', 1, 20);
    for (const stage of stages ?? []) {
      if (stage === '' || stage.length > 256) throw constraint('VersionStages', 'Member must have length 1 to 256');
    }
    const version = secret.addVersion(clientToken(fields), value, stages, this.#clock());
    return { ...identity(secret), VersionId: version.id, VersionStages: [...version.stages] };
  }

  updateSecret(call: SecretCall, fields: RequestFields): Result {
    const secret = this.#open(call, fields);
    const value = secretValueOf(fields);
    const description = fields.string('Description', 0, 2048);
    const kmsKeyId = fields.string('KmsKeyId', 0, 2048);
    // The value first: when its token is in use for another value, nothing of the call may take effect.
    const version = value ? secret.addVersion(clientToken(fields), value, null, this.#clock()) : null;
    if (description !== null) secret.description = description;
    if (kmsKeyId !== null) secret.kmsKeyId = kmsKeyId;
    if (description !== null || kmsKeyId !== null) secret.changedAt = this.#clock();
    return { ...identity(secret), ...(version ? { VersionId: version.id } : {}) };
  }

  updateSecretVersionStage(call: SecretCall, fields: RequestFields): Result {
    const secret = this.#open(call, fields);
    secret.moveStage(
      fields.requiredString('VersionStage', 1, 256),
      fields.string('RemoveFromVersionId', 32, 64),
      fields.string('MoveToVersionId', 32, 64),
      this.#clock(),
    );
    return identity(secret);
  }

  deleteSecret(call: SecretCall, fields: RequestFields): Result {
    const id = fields.requiredString('SecretId', 1, 2048);
    const force = fields.boolean('ForceDeleteWithoutRecovery');
    const days = fields.integer('RecoveryWindowInDays', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const secret = force ? this.#access.openIfPresent(call, id) : this.#access.open(call, id);
    if (force && days !== null) {
      throw new AwsError(
        'InvalidParameterException',
        "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
      );
    }
    if (days !== null && (days < 7 || days > 30)) {
      throw new AwsError(
        'InvalidParameterException',
        'The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).',
      );
    }
    const now = this.#clock();
    if (!secret) {
      // AWS does not report a missing secret to a forced deletion: scripts force-delete before they create.
      const arn = id.startsWith('arn:') ? id : secretArn(call.caller.account, call.region, id);
      return { ARN: arn, Name: id, DeletionDate: now / 1000 };
    }
    if (force) {
      this.#store.remove(secret);
      return { ...identity(secret), DeletionDate: now / 1000 };
    }
    if (secret.deletion) {
      throw new AwsError(
        'InvalidRequestException',
        "You can't perform this operation on the secret because it was already scheduled for deletion.",
      );
    }
    secret.deletion = { askedAt: now, purgeAt: now + (days ?? 30) * DAY_MS };
    return { ...identity(secret), DeletionDate: secret.deletion.purgeAt / 1000 };
  }

  restoreSecret(call: SecretCall, fields: RequestFields): Result {
    const secret = this.#access.open(call, fields.requiredString('SecretId', 1, 2048));
    secret.deletion = null;
    return identity(secret);
  }

  #open(call: SecretCall, fields: RequestFields): Secret {
    const secret = this.#access.open(call, fields.requiredString('SecretId', 1, 2048));
    if (secret.deletion) throw markedForDeletion();
    return secret;
  }
}

const identity = (secret: Secret): Result => ({ ARN: secret.arn, Name: secret.name });

const clientToken = (fields: RequestFields): string => fields.string('ClientRequestToken', 32, 64) ?? randomUUID();

/** The new value in a request, null when there is none. */
function secretValueOf(fields: RequestFields): SecretValue | null {
  const text = fields.string('SecretString', 1, MAX_VALUE_BYTES);
  // Base64 of the largest binary value, with line breaks or padding to spare; the bytes are counted below.
  const base64 = fields.string('SecretBinary', 1, 2 * MAX_VALUE_BYTES);
  if (text !== null && base64 !== null) {
    throw new AwsError(
      'InvalidParameterException',
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  if (base64 !== null) {
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length > MAX_VALUE_BYTES) throw tooLong('SecretBinary');
    return { bytes };
  }
  if (text === null) return null;
  if (Buffer.byteLength(text) > MAX_VALUE_BYTES) throw tooLong('SecretString');
  return { text };
}

const tooLong = (name: string): AwsError =>
  constraint(name, `Member must have length less than or equal to ${MAX_VALUE_BYTES}`);
