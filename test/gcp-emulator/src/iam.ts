import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { matchesPattern } from '@vaultplane/aws-emulator/policy.ts';
import { SpecError } from '@vaultplane/aws-emulator/spec-error.ts';
import { mayUseSecretManager, verifyAssertion } from './assertion.ts';
import { googleError } from './google-error.ts';
import { allows, type Principal } from './principal.ts';
import type { Project } from './project.ts';
import { type Secret, secretName } from './secret-store.ts';

/** What a service account's key file says; fake, and good for this emulator only. */
export type ServiceAccountKey = {
  type: 'service_account';
  project_id: string;
  private_key_id: string;
  private_key: string;
  client_email: string;
  client_id: string;
  auth_uri: string;
  token_uri: string;
  universe_domain: string;
};

/** What `gcloud auth application-default login` leaves behind. */
export type AuthorizedUser = {
  type: 'authorized_user';
  client_id: string;
  client_secret: string;
  refresh_token: string;
};

type AccessToken = { email: string; expiresAt: number };

/** Principals, their keys, refresh tokens and access tokens, and what they may do. */
export class Iam {
  readonly #clock: () => number;
  readonly #principals = new Map<string, Principal>();
  readonly #keys = new Map<string, { email: string; publicKey: KeyObject }>();
  readonly #users = new Map<string, AuthorizedUser & { email: string }>();
  readonly #tokens = new Map<string, AccessToken>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Adds a principal or replaces what it may do. */
  addPrincipal(principal: Principal): void {
    this.#principals.set(principal.email, principal);
  }

  /** Its keys and tokens mean nobody from then on. */
  removePrincipal(email: string): boolean {
    return this.#principals.delete(email);
  }

  principal(email: string): Principal | null {
    return this.#principals.get(email) ?? null;
  }

  principals(): Principal[] {
    return [...this.#principals.values()];
  }

  /** Makes a key of a service account. Throws SpecError where there is no such account. */
  createKey(email: string, tokenUri: string): ServiceAccountKey {
    const principal = this.#known(email);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const id = randomBytes(20).toString('hex');
    this.#keys.set(id, { email, publicKey: createPublicKey(publicKey) });
    return {
      type: 'service_account',
      project_id: principal.project,
      private_key_id: id,
      private_key: privateKey,
      client_email: email,
      client_id: '100000000000000000001',
      auth_uri: 'https://accounts.google.com/o/oauth2/auth',
      token_uri: tokenUri,
      universe_domain: 'googleapis.com',
    };
  }

  /** Tokens that were had with it stay good, as at Google. */
  deleteKey(id: string): boolean {
    return this.#keys.delete(id);
  }

  publicKeys(email: string): KeyObject[] {
    return [...this.#keys.values()].filter((key) => key.email === email).map(({ publicKey }) => publicKey);
  }

  /** Logs a person in. Throws SpecError where there is no such person. */
  createUser(email: string): AuthorizedUser {
    this.#known(email);
    const user: AuthorizedUser = {
      type: 'authorized_user',
      client_id: `${randomUUID()}.apps.googleusercontent.com`,
      client_secret: `GOCSPX-${randomBytes(20).toString('base64url')}`,
      refresh_token: `1//0${randomBytes(60).toString('base64url')}`,
    };
    this.#users.set(user.refresh_token, { ...user, email });
    return user;
  }

  user(refreshToken: string): (AuthorizedUser & { email: string }) | null {
    return this.#users.get(refreshToken) ?? null;
  }

  /** An access token good for `seconds`. */
  issueToken(email: string, seconds: number): string {
    const now = this.#clock();
    for (const [token, { expiresAt }] of this.#tokens) if (expiresAt <= now - 3_600_000) this.#tokens.delete(token);
    const token = `ya29.c.${randomBytes(100).toString('base64url')}`;
    this.#tokens.set(token, { email, expiresAt: now + seconds * 1000 });
    return token;
  }

  /** All tokens of a principal, or of all, answer "invalid credentials" from now on. How many there were. */
  revokeTokens(email?: string): number {
    const revoked = [...this.#tokens].filter(([, token]) => email === undefined || token.email === email);
    for (const [token] of revoked) this.#tokens.delete(token);
    return revoked.length;
  }

  /** Whose the Authorization header's token is. @throws GoogleError UNAUTHENTICATED */
  authenticate(authorization: string | undefined): Principal {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
    const service = { service: 'secretmanager.googleapis.com' };
    if (token === undefined) {
      throw googleError(
        'UNAUTHENTICATED',
        'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other ' +
          'valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
        { reason: 'CREDENTIALS_MISSING', domain: 'googleapis.com', metadata: service },
      );
    }
    const email =
      token.split('.').length === 3 && !token.startsWith('ya29.') ? this.#signer(token) : this.#bearer(token);
    const principal = email === null ? null : this.principal(email);
    if (principal) return principal;
    throw googleError(
      'UNAUTHENTICATED',
      'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid ' +
        'authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
      { reason: 'ACCESS_TOKEN_TYPE_UNSUPPORTED', domain: 'googleapis.com', metadata: service },
    );
  }

  /**
   * @param secret null where the permission is about the project's secrets in general, or there is none of this name
   * @param resource as the error names it
   * @throws GoogleError PERMISSION_DENIED, which does not tell whether there is such a secret
   */
  authorize(
    principal: Principal,
    permission: string,
    of: { project: Project | null; id: string | null; secret: Secret | null; resource: string },
  ): void {
    const { project, id, secret, resource } = of;
    const granted = principal.grants.some(
      (grant) =>
        project !== null &&
        (grant.project === project.id || grant.project === project.number) &&
        allows(grant.role, permission) &&
        (id === null ? grant.secrets.includes('*') : grant.secrets.some((pattern) => matchesPattern(pattern, id))),
    );
    const names = [`serviceAccount:${principal.email}`, `user:${principal.email}`];
    const bound = secret?.bindings.some(
      (binding) => allows(binding.role, permission) && binding.members.some((member) => names.includes(member)),
    );
    if (granted || bound) return;
    const full = `secretmanager.${permission}`;
    throw googleError(
      'PERMISSION_DENIED',
      `Permission '${full}' denied for resource '${resource}' (or it may not exist).`,
      {
        reason: 'IAM_PERMISSION_DENIED',
        domain: 'iam.googleapis.com',
        metadata: { permission: full, resource: secret ? secretName(secret) : resource },
      },
    );
  }

  #bearer(token: string): string | null {
    const held = this.#tokens.get(token);
    return held && held.expiresAt > this.#clock() ? held.email : null;
  }

  /** A service account may sign for itself and ask for no token. Source: AIP-4111. */
  #signer(jwt: string): string | null {
    const assertion = verifyAssertion(jwt, this, this.#clock());
    if (typeof assertion === 'string') return null;
    const meant = assertion.audience === 'https://secretmanager.googleapis.com/' || mayUseSecretManager(assertion);
    return meant ? assertion.email : null;
  }

  #known(email: string): Principal {
    const principal = this.principal(email);
    if (!principal) throw new SpecError(`there is no principal ${email}`);
    return principal;
  }
}
