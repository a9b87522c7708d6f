/**
 * What can go wrong with a reference, by its code in specification.md §6, and the HTTP status that the code has at every door.
 * Codes are made where the fact is known and turned into HTTP in one place.
 */
export const ERROR_STATUS = {
  not_a_reference: 400,
  invalid_reference: 400,
  invalid_option: 400,
  unsupported_version: 400,
  bad_request: 400,
  unsupported_operation: 400,
  bad_token: 403,
  not_found: 404,
  unknown_vault: 404,
  key_not_found: 404,
  method_not_allowed: 405,
  too_large: 413,
  unsupported_media_type: 415,
  key_not_scalar: 422,
  not_base64: 422,
  not_json: 422,
  access_denied: 424,
  too_many: 429,
  internal: 500,
  unavailable: 503,
  not_ready: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** An error with a code of docs/reference/errors.md. Its message never holds a value, a token or a credential. */
export class VaultplaneError extends Error {
  override readonly name = 'VaultplaneError';
  readonly code: ErrorCode;
  /** Seconds after which asking again makes sense; sent as Retry-After. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}
