import { type FieldErrors, SchemaViolation } from '@vaultplane/model/vaults/schema-violation.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { ScopeConflict } from '../declarative/apply.ts';
import { InvalidDocument } from '../declarative/config-document.ts';
import { VaultConflict } from '../store/config-edit.ts';
import { DatabaseReadOnly, DatabaseUnavailable } from '../store/database.ts';

/** An error of the Admin API in Kong's form: its status, its body and what else its headers must have. */
export class KongError extends Error {
  override readonly name = 'KongError';
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    body: { message: string; [member: string]: unknown },
    headers: Record<string, string> = {},
  ) {
    super(body.message);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

// Codes, names and words: Kong, db/errors.lua and api/endpoints.lua.

export function notFound(message = 'Not found'): KongError {
  return new KongError(404, { message });
}

export function methodNotAllowed(allowed: readonly string[]): KongError {
  return new KongError(405, { message: 'Method not allowed' }, { allow: allowed.join(', ') });
}

export function badRequest(message: string): KongError {
  return new KongError(400, { message });
}

export function payloadTooLarge(): KongError {
  return new KongError(413, { message: 'Payload too large' });
}

export function schemaViolation({ message, fields }: SchemaViolation): KongError {
  return new KongError(400, { code: 2, name: 'schema violation', message, fields });
}

export function primaryKeyViolation(id: string): KongError {
  const message = `primary key violation on key '{id="${id}"}'`;
  return new KongError(400, { code: 3, name: 'primary key violation', message, fields: { id } });
}

export function uniqueViolation(field: string, value: string): KongError {
  const message = `UNIQUE violation detected on '{${field}="${value}"}'`;
  return new KongError(409, { code: 5, name: 'unique constraint violation', message, fields: { [field]: value } });
}

export function invalidOffset(offset: string): KongError {
  const message = `'${offset.slice(0, 200)}' is not a valid offset`;
  return new KongError(400, { code: 7, name: 'invalid offset', message });
}

export function invalidSize(): KongError {
  return new KongError(400, { code: 9, name: 'invalid size', message: 'size must be an integer between 1 and 1000' });
}

export function invalidUnique(field: string, message: string): KongError {
  return new KongError(400, { code: 10, name: `invalid unique ${field}`, message });
}

export function invalidOptions(fields: Record<string, string>): KongError {
  const parts = Object.entries(fields).map(([name, error]) => `${name}: ${error}`);
  return new KongError(400, {
    code: 11,
    name: 'invalid options',
    message: `invalid option (${parts.join('; ')})`,
    fields,
  });
}

export function invalidDeclarativeConfig(fields: FieldErrors, lines: readonly string[]): KongError {
  const message = `declarative config is invalid: ${lines.join('; ')}`;
  return new KongError(400, { code: 14, name: 'invalid declarative configuration', message, fields });
}

/** In a document with a scope, a vault whose prefix or id another one has that the document is not about. */
export function scopeConflict({ fields, lines }: ScopeConflict): KongError {
  const message = `declarative config is in conflict: ${lines.join('; ')}`;
  return new KongError(409, { code: 5, name: 'unique constraint violation', message, fields });
}

export function unauthorized(message: string): KongError {
  return new KongError(401, { message }, { 'www-authenticate': 'Bearer realm="vaultplane"' });
}

export function tooManyTries(retryAfterSeconds: number): KongError {
  const message = 'Too many tries with a wrong token from this address';
  return new KongError(429, { message }, { 'retry-after': String(retryAfterSeconds) });
}

export function forbidden(message: string): KongError {
  return new KongError(403, { message });
}

/** The one place where what went wrong becomes an answer; undefined for what nobody foresaw. */
export function toKongError(error: unknown): KongError | undefined {
  if (error instanceof KongError) return error;
  if (error instanceof SchemaViolation) return schemaViolation(error);
  if (error instanceof VaultConflict) {
    return error.field === 'id' ? primaryKeyViolation(error.value) : uniqueViolation(error.field, error.value);
  }
  if (error instanceof ScopeConflict) return scopeConflict(error);
  if (error instanceof InvalidDocument) return invalidDeclarativeConfig(error.fields, error.lines);
  if (error instanceof DatabaseUnavailable) {
    const message =
      error instanceof DatabaseReadOnly ? 'the database takes no writes' : 'the database can not be reached';
    return new KongError(503, { message }, { 'retry-after': '2' });
  }
  return fromFastify(error);
}

/** Fastify's own errors about requests, in the words of the rest. */
function fromFastify(error: unknown): KongError | undefined {
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number') return undefined;
  switch (statusCode) {
    case 413:
      return payloadTooLarge();
    case 415:
      return new KongError(415, { message: 'Unsupported media type' });
    case 404:
      return notFound();
    default:
      return statusCode < 500 ? new KongError(statusCode, { message: errorMessage(error) }) : undefined;
  }
}
