import { CredentialStore as ExpiringStore } from '../credential-store.ts';

/** What signs a call. Never printed: it lives in CredentialStore alone, and in what the AWS SDK makes of it. */
export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

/** As the AWS SDK takes credentials. */
export type CredentialProvider = (() => Promise<AwsCredentials>) & { memoized: true };

/** AWS credentials, had once for any number of calls and anew before they expire. */
export class CredentialStore extends ExpiringStore<AwsCredentials> {
  /** For the AWS SDK, which is told to leave the remembering to this store. */
  get provider(): CredentialProvider {
    return Object.assign(() => this.get(), { memoized: true as const });
  }
}
