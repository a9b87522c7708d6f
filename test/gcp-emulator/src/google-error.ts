import type { Answer } from '@vaultplane/aws-emulator/exchange.ts';
import type { GoogleCall } from './google-call.ts';

/** The canonical codes that Secret Manager answers with, and their HTTP status. Source: AIP-193, google.rpc.Code. */
const STATUS = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  UNIMPLEMENTED: 501,
} as const;

/** Why, for programs: the `google.rpc.ErrorInfo` of an error. */
export type ErrorInfo = { reason: string; domain: string; metadata: Record<string, string> };

/** An error as Google puts it on the wire: a canonical code, a sentence, an HTTP status. */
export class GoogleError extends Error {
  override readonly name = 'GoogleError';
  readonly code: string;
  readonly status: number;
  readonly info: ErrorInfo | null;

  constructor(code: string, message: string, status: number, info: ErrorInfo | null = null) {
    super(message);
    this.code = code;
    this.status = status;
    this.info = info;
  }
}

export function googleError(code: keyof typeof STATUS, message: string, info: ErrorInfo | null = null): GoogleError {
  return new GoogleError(code, message, STATUS[code], info);
}

export const GOOGLE_ERRORS = {
  make: (code: string, message: string, status: number) => new GoogleError(code, message, status),
  isOne: (error: unknown): error is GoogleError => error instanceof GoogleError,
  throttled(call: GoogleCall): GoogleError {
    if (call.service !== 'secretmanager') return new GoogleError('rate_limit_exceeded', 'Rate limit exceeded', 429);
    const consumer = `projects/${call.project ?? 'unknown'}`;
    return googleError(
      'RESOURCE_EXHAUSTED',
      "Quota exceeded for quota metric 'Access requests' and limit 'Access requests per minute' of service " +
        `'secretmanager.googleapis.com' for consumer '${consumer}'.`,
      {
        reason: 'RATE_LIMIT_EXCEEDED',
        domain: 'googleapis.com',
        metadata: {
          service: 'secretmanager.googleapis.com',
          consumer,
          quota_limit: 'AccessRequestsPerMinutePerProject',
        },
      },
    );
  },
};

/** The body of an error of a Google API. */
export function refuse(error: GoogleError): Answer {
  const { code: status, status: code, message, info } = error;
  const details = info ? [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', ...info }] : [];
  const body = { error: { code, message, status, ...(details.length > 0 && { details }) } };
  return json(code, body, status);
}

/** The body of an error of the OAuth token endpoint (RFC 6749, section 5.2). */
export function refuseToken(error: GoogleError): Answer {
  return json(error.status, { error: error.code, error_description: error.message }, error.code);
}

/** The metadata server has pages for people. */
export function refusePage({ status, message, code }: GoogleError): Answer {
  const headers = { ...METADATA_HEADERS, 'content-type': 'text/html; charset=UTF-8' };
  const body = `<!DOCTYPE html>\n<html lang=en>\n  <title>Error ${status}</title>\n  <p><b>${status}.</b> ${message}</p>\n</html>\n`;
  return { status, headers, body, errorCode: code };
}

export const METADATA_HEADERS = { 'metadata-flavor': 'Google', server: 'Metadata Server for VM' };

export function json(status: number, body: unknown, errorCode: string | null = null): Answer {
  const headers = { 'content-type': 'application/json; charset=UTF-8', 'cache-control': 'private', server: 'ESF' };
  // Google's own is laid out over lines.
  return { status, headers, body: `${JSON.stringify(body, null, 2)}\n`, errorCode };
}
