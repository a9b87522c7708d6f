import { AwsError, type AwsService } from './aws-error.ts';

/** Where the README says it all. */
const SEE = 'see "What it does not do" in the README of the emulator';

/** Operations of Secrets Manager that are not here, by what they are for. */
const SECRETS_MANAGER: Readonly<Record<string, string>> = {
  RotateSecret: 'rotation by a function; put a new version with PutSecretValue',
  CancelRotateSecret: 'rotation by a function',
  ReplicateSecretToRegions: 'replication',
  RemoveRegionsFromReplication: 'replication',
  StopReplicationToReplica: 'replication',
  PutResourcePolicy: "resource policies; a seed's sharedWith gives another account access",
  GetResourcePolicy: 'resource policies',
  DeleteResourcePolicy: 'resource policies',
  ValidateResourcePolicy: 'resource policies',
  TagResource: 'tags after creation; CreateSecret takes Tags',
  UntagResource: 'tags after creation',
  ListSecretVersionIds: 'versions without a label; DescribeSecret gives the others',
  GetRandomPassword: 'random passwords',
};

/** What each operation of Secrets Manager reads of a request. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  CreateSecret: ['Name', 'ClientRequestToken', 'Description', 'KmsKeyId', 'SecretBinary', 'SecretString', 'Tags'],
  PutSecretValue: ['SecretId', 'ClientRequestToken', 'SecretBinary', 'SecretString', 'VersionStages'],
  UpdateSecret: ['SecretId', 'ClientRequestToken', 'Description', 'KmsKeyId', 'SecretBinary', 'SecretString'],
  UpdateSecretVersionStage: ['SecretId', 'VersionStage', 'RemoveFromVersionId', 'MoveToVersionId'],
  DeleteSecret: ['SecretId', 'RecoveryWindowInDays', 'ForceDeleteWithoutRecovery'],
  RestoreSecret: ['SecretId'],
  GetSecretValue: ['SecretId', 'VersionId', 'VersionStage'],
  BatchGetSecretValue: ['SecretIdList', 'Filters', 'MaxResults', 'NextToken'],
  DescribeSecret: ['SecretId'],
  ListSecrets: ['IncludePlannedDeletion', 'MaxResults', 'NextToken', 'Filters', 'SortOrder', 'SortBy'],
};

/** Whether Secrets Manager has an operation here. */
export function isOperation(operation: string): boolean {
  return Object.hasOwn(FIELDS, operation);
}

/** The error for an operation of Secrets Manager that the emulator does not have, or that nobody has. */
export function unknownOperation(operation: string): AwsError {
  const what = Object.hasOwn(SECRETS_MANAGER, operation) ? SECRETS_MANAGER[operation] : undefined;
  const text = `The emulator does not have ${operation}`;
  return new AwsError(
    'UnknownOperationException',
    what === undefined ? `${text}; it is no operation of Secrets Manager` : `${text} (${what}); ${SEE}`,
  );
}

/** The error for a call to a service that is not here. */
export function unknownService(service: string): AwsError {
  return new AwsError(
    'UnknownOperationException',
    `The emulator does not have the service ${service}: it has Secrets Manager, STS and a little of S3; ${SEE}`,
  );
}

/** Whether a signature is for one of the services that are here. */
export function isEmulated(service: string): service is AwsService {
  return service === 'secretsmanager' || service === 'sts' || service === 's3';
}

/**
 * Refuses members of a request that would have an effect at AWS and have none here. What is null, false or empty has none there.
 *
 * @throws AwsError that names the first
 */
export function refuseUnknownFields(operation: string, json: Readonly<Record<string, unknown>>): void {
  const known = FIELDS[operation] ?? [];
  for (const [name, value] of Object.entries(json)) {
    const isEmpty = value === null || value === false || (Array.isArray(value) && value.length === 0);
    if (known.includes(name) || isEmpty) continue;
    throw new AwsError(
      'InvalidParameterException',
      `The emulator does not have the parameter ${/^\w{1,64}$/.test(name) ? name : 'that was given'} of ${operation}; ${SEE}`,
    );
  }
}
