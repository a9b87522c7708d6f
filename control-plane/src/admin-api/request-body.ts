import multipart from '@fastify/multipart';
import { ENTITY_FIELD_TYPES } from '@vaultplane/model/vaults/validation.ts';
import type { VaultType } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { overJsonBounds } from '@vaultplane/platform/text/json-bounds.ts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  BODY_BOUNDS,
  DOCUMENT_BOUNDS,
  MAX_BOUNDARY_LENGTH,
  MAX_DOCUMENT_BYTES,
  MAX_FORM_FIELDS,
} from './body-limits.ts';
import { badRequest, payloadTooLarge, toKongError } from './kong-error.ts';

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

/**
 * Teaches a server the bodies that Kong's Admin API takes: JSON, forms, multipart forms, and YAML for whole configurations.
 * Only the body of a caller who may do what is asked comes here (authentication is an onRequest hook).
 */
export async function acceptBodies(app: FastifyInstance): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    try {
      done(null, readJson(text as string, request.routeOptions.config?.document === true));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, text, done) => {
    if (hasMore(text as string, '&', MAX_FORM_FIELDS - 1)) done(tooManyFields());
    else done(null, new Form(new URLSearchParams(text as string)));
  });
  app.addContentTypeParser(/^(application|text)\/(x-)?yaml(;|$)/, { parseAs: 'string' }, (_request, text, done) =>
    done(null, new YamlText(text as string)),
  );
  await app.register(multipart, {
    limits: {
      parts: MAX_FORM_FIELDS,
      headerPairs: 20,
      fieldNameSize: 1000,
      fieldSize: MAX_DOCUMENT_BYTES,
      fileSize: MAX_DOCUMENT_BYTES,
    },
  });
  app.addHook('preValidation', async (request) => {
    if (request.isMultipart()) request.body = await readMultipart(request);
  });
}

/** @throws KongError */
function readJson(text: string, isDocument: boolean): unknown {
  const over = overJsonBounds(text, isDocument ? DOCUMENT_BOUNDS : BODY_BOUNDS);
  if (over !== undefined) throw badRequest(`the body has ${over}`);
  try {
    // Not Fastify's own parser: __proto__ is an unknown field like any other (shared/model/src/vaults/validation.ts).
    return text === '' ? {} : JSON.parse(text);
  } catch {
    throw badRequest('Cannot parse JSON body');
  }
}

/**
 * The route's limit of a body holds for all its parts together. The parser goes on after its limit of parts, and takes 4 µs
 * for each: so they are counted in front of it, and it is cut off.
 *
 * @throws KongError
 */
async function readMultipart(request: FastifyRequest): Promise<Form> {
  const mostBytes = request.routeOptions.bodyLimit ?? MAX_DOCUMENT_BYTES;
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw payloadTooLarge();
  const delimiter = `--${boundaryOf(request)}`;
  const { raw } = request;
  const tooMany = new Promise<never>((_resolve, reject) => {
    let found = 0;
    raw.on('data', (chunk: Buffer) => {
      if (found <= MAX_FORM_FIELDS + 1) found += countOf(chunk, delimiter, MAX_FORM_FIELDS + 2);
      if (found <= MAX_FORM_FIELDS + 1) return;
      reject(tooManyFields());
      raw.unpipe();
      raw.resume();
    });
  });
  const parts = readParts(request, mostBytes);
  // Whichever comes first; of the other nobody needs to know.
  for (const outcome of [parts, tooMany]) outcome.catch(() => {});
  return Promise.race([parts, tooMany]);
}

/** @throws KongError */
async function readParts(request: FastifyRequest, mostBytes: number): Promise<Form> {
  const fields: Array<[string, string]> = [];
  let bytes = 0;
  try {
    for await (const part of request.parts()) {
      const value = part.type === 'file' ? (await part.toBuffer()).toString('utf8') : String(part.value);
      bytes += Buffer.byteLength(part.fieldname) + Buffer.byteLength(value);
      if (bytes > mostBytes || (part.type === 'field' && part.valueTruncated)) throw payloadTooLarge();
      fields.push([part.fieldname, value]);
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'FST_PARTS_LIMIT') throw tooManyFields();
    if (toKongError(error)) throw error;
    throw cannotParseMultipart();
  }
  return new Form(fields);
}

/** Only one, in its plain form: what counts parts and what parses them must mean the same. @throws KongError */
function boundaryOf({ headers }: FastifyRequest): string {
  const type = headers['content-type'] ?? '';
  const [, quoted, plain] = /;\s*boundary=(?:"([^"\\]+)"|([^\s";\\]+))\s*(?:;|$)/i.exec(type) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined || type.match(/boundary[\s*\d]*=/gi)?.length !== 1) throw cannotParseMultipart();
  if (boundary.length <= MAX_BOUNDARY_LENGTH) return boundary;
  throw badRequest(`the boundary of a multipart body has at most ${MAX_BOUNDARY_LENGTH} characters`);
}

/** How often a text stands in a piece of a body; at most `most`. */
function countOf(chunk: Buffer, text: string, most: number): number {
  let found = 0;
  for (let at = chunk.indexOf(text); at >= 0 && found < most; at = chunk.indexOf(text, at + text.length)) found++;
  return found;
}

function cannotParseMultipart() {
  return badRequest('Cannot parse multipart body');
}

function tooManyFields() {
  return badRequest(`a form has at most ${MAX_FORM_FIELDS} fields`);
}

/** Whether a text has a character more than `most` times. */
function hasMore(text: string, character: string, most: number): boolean {
  let found = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) {
    if (++found > most) return true;
  }
  return false;
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
  // What an answer to a change has beside the vault may be given back with it.
  const { warnings: _, ...entity } = body as Record<string, unknown>;
  return entity;
}

function typedForm(form: Form, type: VaultType | undefined): Record<string, unknown> {
  const entity: Record<string, unknown> = {};
  const config: Record<string, unknown> = {};
  for (const [rawName, text] of form.fields) {
    // tags[] and tags[1] are Kong's spellings of a member of a list, config[region] one of config.region.
    const name = rawName.replace(/^config\[([a-z_]\w{0,99})\]/i, 'config.$1').replace(/\[\d{0,9}\]$/, '');
    const below = name.startsWith('config.') ? name.slice('config.'.length) : undefined;
    const kind =
      below === undefined
        ? ENTITY_FIELD_TYPES[name as keyof typeof ENTITY_FIELD_TYPES]
        : type?.fields.find((field) => field.name === below)?.type;
    const target = below === undefined ? entity : config;
    put(target, below ?? name, kind ?? (/\[\d{0,9}\]$/.test(rawName) ? 'array' : 'string'), text);
  }
  if (Object.keys(config).length > 0) entity.config = config;
  return entity;
}

/** Its time goes with the square of the length of a text that is none. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const MAX_NUMBER_LENGTH = 64;

function put(target: Record<string, unknown>, name: string, kind: string, text: string): void {
  const own = (value: unknown) =>
    Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
  const there = Object.hasOwn(target, name) ? target[name] : undefined;
  // An empty value takes a member away (Kong: api/arguments.lua).
  if (text === '') own(null);
  else if (kind === 'array' && Array.isArray(there)) there.push(text);
  else if (kind === 'array') own([text]);
  else if (kind === 'number') own(text.length <= MAX_NUMBER_LENGTH && NUMBER.test(text) ? Number(text) : text);
  else if (kind === 'boolean') own(text === 'true' ? true : text === 'false' ? false : text);
  else own(text);
}
