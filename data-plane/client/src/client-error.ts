/** What can go wrong, by code. Source: specification.md §6; a test holds this list to the data plane's own. */
export type ClientErrorCode =
  | 'not_a_reference'
  | 'invalid_reference'
  | 'invalid_option'
  | 'unsupported_version'
  | 'bad_request'
  | 'bad_token'
  | 'not_found'
  | 'unknown_vault'
  | 'key_not_found'
  | 'method_not_allowed'
  | 'too_large'
  | 'unsupported_media_type'
  | 'unsupported_operation'
  | 'key_not_scalar'
  | 'not_base64'
  | 'not_json'
  | 'access_denied'
  | 'too_many'
  | 'internal'
  | 'unavailable'
  | 'not_ready';

/** An error of a lookup, with a code of docs/reference/errors.md. Its message never holds a value, a token or a credential. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError';
  readonly code: ClientErrorCode;
  /** The reference that could not be resolved; undefined where the whole call failed. */
  readonly reference: string | undefined;
  /** Seconds after which asking again makes sense. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ClientErrorCode,
    message: string,
    options: { reference?: string | undefined; retryAfterSeconds?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reference = options.reference;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** No data plane answers where one should be: it does not run, is just starting again, or hangs. */
export class DataPlaneUnreachable extends ClientError {
  override readonly name: string = 'DataPlaneUnreachable';
  /** Whether nothing listens there at all; false where something does, or did, and broke off. */
  readonly absent: boolean;

  constructor(message: string, options: { absent: boolean; cause?: unknown }) {
    super('unavailable', message, options);
    this.absent = options.absent;
  }
}
