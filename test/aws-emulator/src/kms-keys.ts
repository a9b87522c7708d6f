/** What a KMS key is good for; the names are KMS's own. */
export type KmsKeyState = 'Enabled' | 'Disabled' | 'PendingDeletion';

/** States of KMS keys by their ARN. A key that nobody has spoken of is enabled. */
export class KmsKeys {
  readonly #states = new Map<string, KmsKeyState>();

  setState(arn: string, state: KmsKeyState): void {
    this.#states.set(arn, state);
  }

  isEnabled(arn: string): boolean {
    return (this.#states.get(arn) ?? 'Enabled') === 'Enabled';
  }
}

/** @param key an id, or an ARN */
export function kmsKeyArn(region: string, account: string, key: string): string {
  return key.startsWith('arn:') ? key : `arn:aws:kms:${region}:${account}:key/${key}`;
}
