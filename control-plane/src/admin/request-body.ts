import multipart from '@fastify/multipart';
import { ENTITY_FIELD_TYPES } from '@vaultplane/shared/vaults/validation.ts';
import type { VaultType } from '@vaultplane/shared/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/shared/vaults/vault-types.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parse as parseYaml } from 'yaml';
import { badRequest, payloadTooLarge, toKongError } from './kong-error.ts';

/** Bytes; Kong's own limit is 10 MB. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024;

/** A form as it came: every value a text, in order. */
export class Form {
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;

  constructor(fields: Iterable<readonly [string, string]>) {
    this.fields = [...fields];
  }

  get(name: string): string | undefined {
    return this.fields.find(([field]) => field === name)?.[1];
  }
}

/** A YAML document, still to be read. */
export class YamlText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Teaches a server the bodies that Kong's Admin API takes: JSON, forms, multipart forms, and YAML for whole configurations. */
export async function acceptBodies(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      // Not Fastify's own parser: __proto__ is an unknown field like any other (shared/src/vaults/validation.ts).
      done(null, text === '' ? {} : JSON.parse(text as string));
    } catch {
      done(badRequest('Cannot parse JSON body'));
    }
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) =>
    done(null, new Form(new URLSearchParams(text as string))),
  );
  app.addContentTypeParser(/^(application|text)\/(x-)?yaml(;|$)/, { parseAs: 'string' }, (_request, text, done) =>
    done(null, new YamlText(text as string)),
  );
  await app.register(multipart, { limits: { fields: 1000, fieldSize: MAX_BODY_BYTES, fileSize: MAX_BODY_BYTES } });
  app.addHook('preValidation', async (request) => {
    if (request.isMultipart()) request.body = await readMultipart(request);
  });
}

/** The limit of a body holds for all its parts together. @throws KongError */
async function readMultipart(request: FastifyRequest): Promise<Form> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw payloadTooLarge();
  const fields: Array<[string, string]> = [];
  let bytes = 0;
  try {
    for await (const part of request.parts()) {
      const value = part.type === 'file' ? (await part.toBuffer()).toString('utf8') : String(part.value);
      bytes += Buffer.byteLength(part.fieldname) + Buffer.byteLength(value);
      if (bytes > MAX_BODY_BYTES || (part.type === 'field' && part.valueTruncated)) throw payloadTooLarge();
      fields.push([part.fieldname, value]);
    }
  } catch (error) {
    if (toKongError(error)) throw error;
    throw badRequest('Cannot parse multipart body');
  }
  return new Form(fields);
}

/**
 * A body as an object with an entity's members. In a form everything is text, so its members are typed by the schema:
 * that of the vault type which the form names, or else of `typeName` (the vault to be changed).
 *
 * @throws KongError when the body is no object
 */
export function entityOf(body: unknown, typeName?: string): Record<string, unknown> {
  if (body === undefined || body === null) return {};
  if (body instanceof Form) return typedForm(body, VAULT_TYPES.get(body.get('name') ?? typeName ?? ''));
  if (typeof body !== 'object' || Array.isArray(body) || body instanceof YamlText) {
    throw badRequest('the body must be an object');
  }
  return body as Record<string, unknown>;
}

/** What a body of text says, JSON or YAML (JSON is YAML). @throws KongError */
export function readYaml(text: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 100 });
  } catch (error) {
    throw badRequest(`Cannot parse YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function typedForm(form: Form, type: VaultType | undefined): Record<string, unknown> {
  const entity: Record<string, unknown> = {};
  const config: Record<string, unknown> = {};
  for (const [rawName, text] of form.fields) {
    // tags[] and tags[1] are Kong's spellings of a member of a list.
    const name = rawName.replace(/\[\d*\]$/, '');
    const below = name.startsWith('config.') ? name.slice('config.'.length) : undefined;
    const kind =
      below === undefined
        ? ENTITY_FIELD_TYPES[name as keyof typeof ENTITY_FIELD_TYPES]
        : type?.fields.find((field) => field.name === below)?.type;
    const target = below === undefined ? entity : config;
    put(target, below ?? name, kind ?? (rawName === name ? 'string' : 'array'), text);
  }
  if (Object.keys(config).length > 0) entity.config = config;
  return entity;
}

function put(target: Record<string, unknown>, name: string, kind: string, text: string): void {
  const own = (value: unknown) =>
    Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
  // An empty value takes a member away (Kong: api/arguments.lua).
  if (text === '') own(null);
  else if (kind === 'array') own([...(Array.isArray(target[name]) ? target[name] : []), text]);
  else if (kind === 'number') own(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text);
  else if (kind === 'boolean') own(text === 'true' ? true : text === 'false' ? false : text);
  else own(text);
}
