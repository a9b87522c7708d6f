import type { Secret } from './secret.ts';

/** A value that the client has been given. */
export class HeldSecret {
  secret: Secret;
  /** Whether the data plane is telling of every change to it, so that it is what the data plane itself would answer. */
  covered = false;
  /** Whether it was asked for since it was last looked at for eviction. */
  used = true;
  /** Every secret that the reference may be a member of. */
  readonly names: readonly string[];

  constructor(secret: Secret) {
    this.secret = secret;
    this.names = possibleNames(secret.reference);
  }

  /** What the data plane allows without being asked again: until it would fetch the value anew itself. */
  isAllowedAt(now: number): boolean {
    const { expiresAt } = this.secret;
    return expiresAt === null || now < expiresAt.getTime();
  }

  /** Tells the version that the value comes from, among those of one secret. */
  get versionMark(): string {
    const { version, fetchedAt } = this.secret;
    return version.id ?? fetchedAt.toISOString();
  }
}

/** VAULT/NAME of both readings of a reference (specification.md §3): with the last segment as a key, and as part of the name. */
function possibleNames(reference: string): string[] {
  const [path = ''] = reference.slice('{vault://'.length, -1).split(/[?#]/);
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => decodeURIComponent(segment));
  const whole = segments.join('/');
  return segments.length > 2 ? [whole, segments.slice(0, -1).join('/')] : [whole];
}
