import { defaultKeyOfOtherAccount, kmsDenied, kmsKeyUnusable, secretNotFound } from './aws-error.ts';
import { accessDenied, type Caller, type Iam } from './iam.ts';
import { type KmsKeys, kmsKeyArn } from './kms-keys.ts';
import type { Secret } from './secret.ts';
import { parseSecretArn, type SecretStore } from './secret-store.ts';

/** One authenticated call on one region's endpoint. */
export type SecretCall = { operation: string; caller: Caller; region: string };

/** Leads from a SecretId to the secret, through the caller's permissions. */
export class SecretAccess {
  readonly #store: SecretStore;
  readonly #iam: Iam;
  readonly #keys: KmsKeys;

  constructor(store: SecretStore, iam: Iam, keys: KmsKeys) {
    this.#store = store;
    this.#iam = iam;
    this.#keys = keys;
  }

  /**
   * The secret that `id` names, deleted or not, when `call.caller` may do `operation` on it. Permission comes before existence,
   * as at AWS: who may not read a name does not learn whether it is there.
   */
  open(call: SecretCall, id: string, operation = call.operation): Secret {
    const secret = this.#store.lookUp({ account: call.caller.account, region: call.region, id });
    this.#check(call, operation, id, secret);
    if (!secret) throw secretNotFound();
    return secret;
  }

  /** As `open`, with null instead of an error when there is no such secret. */
  openIfPresent(call: SecretCall, id: string): Secret | null {
    const secret = this.#store.lookUp({ account: call.caller.account, region: call.region, id });
    this.#check(call, call.operation, id, secret);
    return secret;
  }

  /** For operations on no secret in particular (ListSecrets, BatchGetSecretValue). */
  checkAny(call: SecretCall, operation = call.operation): void {
    const action = `secretsmanager:${operation}`;
    const reason = this.#iam.refusal(call.caller, action, { name: '*', arn: '*' }, call.region);
    if (reason !== null) throw accessDenied(call.caller, action, '*', reason);
  }

  /** For a secret that is yet to be made, under the ARN it would have. */
  checkNew(call: SecretCall, name: string, arn: string): void {
    const action = `secretsmanager:${call.operation}`;
    const reason = this.#iam.refusal(call.caller, action, { name, arn }, call.region);
    if (reason !== null) throw accessDenied(call.caller, action, name, reason);
  }

  /** Whether the secret's KMS key opens it for the caller. Secrets Manager decrypts in the caller's name. */
  checkKey({ caller, region }: SecretCall, secret: Secret): void {
    const { kmsKeyId, account } = secret;
    if (kmsKeyId === null) {
      if (caller.account !== account) throw defaultKeyOfOtherAccount();
      return;
    }
    const arn = kmsKeyArn(secret.region, account, kmsKeyId);
    if (this.#iam.refusal(caller, 'kms:Decrypt', { name: kmsKeyId, arn }, region) !== null) throw kmsDenied();
    if (!this.#keys.isEnabled(arn)) throw kmsKeyUnusable();
  }

  #check(call: SecretCall, operation: string, id: string, secret: Secret | null): void {
    const action = `secretsmanager:${operation}`;
    const arn = secret?.arn ?? (id.startsWith('arn:') ? id : absentArn(call, id));
    const name = secret?.name ?? parseSecretArn(id)?.rest ?? id;
    const refusal = this.#iam.refusal(call.caller, action, { name, arn }, call.region);
    if (refusal !== null) throw accessDenied(call.caller, action, id, refusal);
    const owner = secret?.account ?? parseSecretArn(id)?.account ?? call.caller.account;
    // Another account's secret needs a resource policy besides, which here is the list of accounts it is shared with.
    if (owner !== call.caller.account && !secret?.sharedWith.has(call.caller.account)) {
      throw accessDenied(call.caller, action, id, `because no resource-based policy allows the ${action} action`);
    }
  }
}

const absentArn = (call: SecretCall, name: string): string =>
  `arn:aws:secretsmanager:${call.region}:${call.caller.account}:secret:${name}`;
