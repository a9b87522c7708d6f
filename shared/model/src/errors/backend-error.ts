import { type ErrorCode, VaultplaneError } from './vaultplane-error.ts';

export type BackendErrorCode = Extract<ErrorCode, 'not_found' | 'access_denied' | 'unavailable'>;

/**
 * Why a secret could not be had. `not_found` and `access_denied` are the vault's answers about this secret;
 * `unavailable` is everything that says nothing about it (no connection, 5xx, throttled, garbage, no credentials).
 * A message holds nothing that an upstream may have echoed of a value, and no credential.
 */
export class BackendError extends VaultplaneError {
  declare readonly code: BackendErrorCode;
  /** The vault asked to be asked less. */
  readonly throttled: boolean;
  /** The vault takes the credentials no more: with others the same call may succeed. */
  readonly credentialsRefused: boolean;
  /** The vault's own name of the error, such as AWS's `ResourceNotFoundException`; undefined where it gave none that is known. */
  readonly upstreamCode: string | undefined;

  constructor(
    code: BackendErrorCode,
    message: string,
    options: {
      throttled?: boolean;
      retryAfterSeconds?: number;
      upstreamCode?: string;
      credentialsRefused?: boolean;
    } = {},
  ) {
    super(code, message, options);
    this.throttled = options.throttled ?? false;
    this.credentialsRefused = options.credentialsRefused ?? false;
    this.upstreamCode = options.upstreamCode;
  }
}
