/** An error as AWS puts it on the wire: a name that clients switch on, a sentence, and an HTTP status. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = status;
  }
}

/** What a throttled call gets: Secrets Manager's and STS's names differ, the metadata services have a status only. */
const throttled = ({ service }: { service: string }): AwsError => {
  if (service === 'secretsmanager') return new AwsError('ThrottlingException', 'Rate exceeded');
  if (service === 's3') return new AwsError('SlowDown', 'Please reduce your request rate.', 503);
  if (service === 'sts') return new AwsError('Throttling', 'Rate exceeded');
  return new AwsError('TooManyRequests', 'Rate exceeded', 429);
};

export const AWS_ERRORS = {
  make: (code: string, message: string, status: number) => new AwsError(code, message, status),
  throttled,
  isOne: (error: unknown): error is AwsError => error instanceof AwsError,
};

export type AwsService = 'secretsmanager' | 'sts' | 's3';

/** What can be wrong with the credentials of a request, before anything is said about permission. */
export type CredentialFault = 'missing' | 'incomplete' | 'unknown' | 'expired' | 'signature';

/**
 * JSON services and query services name the same fault differently and give it another status
 * (the "Common errors" pages of the Secrets Manager and the STS API references).
 */
const CREDENTIAL_FAULTS: Record<
  AwsService,
  Record<CredentialFault, [code: string, status: number, message: string]>
> = {
  secretsmanager: {
    missing: ['MissingAuthenticationTokenException', 400, 'Missing Authentication Token'],
    incomplete: ['IncompleteSignatureException', 400, 'The request signature does not conform to AWS standards.'],
    unknown: ['UnrecognizedClientException', 400, 'The security token included in the request is invalid.'],
    expired: ['ExpiredTokenException', 400, 'The security token included in the request is expired'],
    signature: [
      'InvalidSignatureException',
      400,
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    ],
  },
  sts: {
    missing: ['MissingAuthenticationToken', 403, 'Request is missing Authentication Token'],
    incomplete: ['IncompleteSignature', 403, 'The request signature does not conform to AWS standards.'],
    unknown: ['InvalidClientTokenId', 403, 'The security token included in the request is invalid.'],
    expired: ['ExpiredToken', 403, 'The security token included in the request is expired'],
    signature: [
      'SignatureDoesNotMatch',
      403,
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    ],
  },
  // "Error responses" of the S3 API reference.
  s3: {
    missing: ['AccessDenied', 403, 'Access Denied'],
    incomplete: ['AuthorizationHeaderMalformed', 400, 'The authorization header that you provided is not valid.'],
    unknown: ['InvalidAccessKeyId', 403, 'The AWS Access Key Id you provided does not exist in our records.'],
    expired: ['ExpiredToken', 400, 'The provided token has expired.'],
    signature: [
      'SignatureDoesNotMatch',
      403,
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    ],
  },
};

/** The error of `service` for a fault of the credentials; `message` replaces AWS's general sentence. */
export function credentialError(service: AwsService, fault: CredentialFault, message?: string): AwsError {
  const [code, status, general] = CREDENTIAL_FAULTS[service][fault];
  return new AwsError(code, message ?? general, status);
}

/** S3's word for a signature of another time. */
export const requestTimeTooSkewed = (): AwsError =>
  new AwsError(
    'RequestTimeTooSkewed',
    'The difference between the request time and the current time is too large.',
    403,
  );

export const secretNotFound = (): AwsError =>
  new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");

/** The caller may not decrypt with the secret's key, by its own policy or by that of the key. */
export const kmsDenied = (): AwsError => new AwsError('AccessDeniedException', 'Access to KMS is not allowed');

/** The key is there, and is disabled or marked for deletion. */
export const kmsKeyUnusable = (): AwsError =>
  new AwsError(
    'DecryptionFailure',
    "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
  );

/** The key aws/secretsmanager opens secrets to callers of its own account only. */
export const defaultKeyOfOtherAccount = (): AwsError =>
  new AwsError(
    'InvalidRequestException',
    "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
  );

export const markedForDeletion = (): AwsError =>
  new AwsError(
    'InvalidRequestException',
    "You can't perform this operation on the secret because it was marked for deletion.",
  );
