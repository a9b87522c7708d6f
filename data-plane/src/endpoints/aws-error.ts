import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { BadToken } from '../limits/guards.ts';

/** An error as AWS Secrets Manager would tell it. */
export interface AwsError {
  /** The name that SDKs make their exception of. */
  type: string;
  status: number;
  message: string;
}

/** AWS's own answers, which are passed on by their own names; any other is told by what it means. */
const SECRETS_MANAGER_ERRORS: readonly string[] = [
  'ResourceNotFoundException',
  'InvalidRequestException',
  'InvalidParameterException',
  'ValidationException',
  'AccessDeniedException',
  'DecryptionFailure',
];
/** AWS's own sentence, which programs look for. */
const NOT_FOUND = "Secrets Manager can't find the specified secret.";

/** Source of the names: the API reference of Secrets Manager, "Common errors" and each operation's own. */
export function awsErrorOf(error: VaultplaneError): AwsError {
  const { code, message, status } = error;
  if (error instanceof BadToken) {
    return {
      type: 'UnrecognizedClientException',
      status,
      message: 'The security token included in the request is invalid.',
    };
  }
  switch (code) {
    case 'not_found':
    case 'access_denied': {
      const upstream = error.cause instanceof BackendError ? error.cause.upstreamCode : undefined;
      const type =
        upstream !== undefined && SECRETS_MANAGER_ERRORS.includes(upstream)
          ? upstream
          : code === 'not_found'
            ? 'ResourceNotFoundException'
            : 'AccessDeniedException';
      return { type, status: 400, message: type === 'ResourceNotFoundException' ? NOT_FOUND : message };
    }
    case 'unknown_vault':
      return { type: 'ResourceNotFoundException', status: 400, message };
    case 'bad_token':
      return { type: 'AccessDeniedException', status: 400, message };
    case 'too_many':
      return { type: 'ThrottlingException', status, message };
    case 'unavailable':
    case 'not_ready':
    case 'internal':
      return { type: 'InternalServiceError', status, message };
    case 'too_large':
      return { type: 'RequestEntityTooLarge', status, message };
    case 'bad_request':
      return { type: 'InvalidParameterException', status, message };
    case 'unsupported_operation':
      return { type: 'UnsupportedOperation', status, message };
    default:
      return { type: 'ValidationException', status, message };
  }
}
