import type { Iam } from './iam.ts';
import type { KmsKeys } from './kms-keys.ts';
import { isOperation, refuseUnknownFields, unknownOperation } from './not-emulated.ts';
import { RequestFields } from './request-fields.ts';
import { SecretAccess, type SecretCall } from './secret-access.ts';
import { type SecretFault, SecretReader } from './secret-reader.ts';
import type { SecretStore } from './secret-store.ts';
import { SecretWriter } from './secret-writer.ts';

/** The prefix of X-Amz-Target for Secrets Manager's JSON 1.1 protocol. */
export const TARGET_PREFIX = 'secretsmanager.';

/** AWS Secrets Manager, behind its protocol: one JSON object in, one out. */
export class SecretsManager {
  readonly #reader: SecretReader;
  readonly #writer: SecretWriter;

  constructor(store: SecretStore, iam: Iam, keys: KmsKeys, clock: () => number) {
    const access = new SecretAccess(store, iam, keys);
    this.#reader = new SecretReader(store, access, clock);
    this.#writer = new SecretWriter(store, access, clock);
  }

  /** Throws AwsError; `faultOf` says which secrets of a batch an order spoils. */
  carryOut(call: SecretCall, body: Buffer, faultOf: SecretFault): Record<string, unknown> {
    const fields = new RequestFields(body);
    if (isOperation(call.operation)) refuseUnknownFields(call.operation, fields.all);
    switch (call.operation) {
      case 'CreateSecret':
        return this.#writer.createSecret(call, fields);
      case 'PutSecretValue':
        return this.#writer.putSecretValue(call, fields);
      case 'UpdateSecret':
        return this.#writer.updateSecret(call, fields);
      case 'UpdateSecretVersionStage':
        return this.#writer.updateSecretVersionStage(call, fields);
      case 'DeleteSecret':
        return this.#writer.deleteSecret(call, fields);
      case 'RestoreSecret':
        return this.#writer.restoreSecret(call, fields);
      case 'GetSecretValue':
        return this.#reader.getSecretValue(call, fields);
      case 'BatchGetSecretValue':
        return this.#reader.batchGetSecretValue(call, fields, faultOf);
      case 'DescribeSecret':
        return this.#reader.describeSecret(call, fields);
      case 'ListSecrets':
        return this.#reader.listSecrets(call, fields);
      default:
        throw unknownOperation(call.operation);
    }
  }
}

/** The secrets that a request names, for the call log and for orders; empty when the body is not readable. */
export function secretIdsOf(body: Buffer): string[] {
  try {
    const json = JSON.parse(body.toString('utf8'));
    const ids = [json?.SecretId ?? json?.Name, ...(Array.isArray(json?.SecretIdList) ? json.SecretIdList : [])];
    return ids.filter((id) => typeof id === 'string');
  } catch {
    return [];
  }
}
