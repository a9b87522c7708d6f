import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';
import { VaultplaneError } from '../errors/vaultplane-error.ts';

/** What a reference picks from a secret: a member of its JSON object, what an RFC 6901 pointer reaches, or all of it. */
export type Pick = { key: string } | { pointer: string } | 'whole';

/** A number as it stands in the JSON text: 12345678901234567890 and 1.10 keep every digit. */
class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Json = string | boolean | null | JsonNumber | Json[] | { [name: string]: Json };

/** util.inspect.custom: what it asks an object for. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

const UNREAD = Symbol('not parsed yet');
/** No text, and so no JSON. */
const BINARY = Symbol('binary');

/**
 * A secret's value, which is shown by nothing that prints objects: not by util.inspect, not by JSON.stringify, not by
 * a template string.
 */
export class SecretValue {
  readonly #text: string;
  /** Parsed at most once, since many references may pick from one secret; `undefined` is what is no JSON. */
  #document: Json | undefined | typeof UNREAD | typeof BINARY;

  protected constructor(text: string, encoding: 'base64' | undefined) {
    this.#text = text;
    this.#document = encoding === undefined ? UNREAD : BINARY;
  }

  static ofText(text: string): SecretValue {
    return new SecretValue(text, undefined);
  }

  static ofBinary(bytes: Uint8Array): SecretValue {
    return new SecretValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'), 'base64');
  }

  /** The value itself; base64 of a binary one. */
  reveal(): string {
    return this.#text;
  }

  /** Set where `reveal` gives something else than the value as it is. */
  get encoding(): 'base64' | undefined {
    return this.#document === BINARY ? 'base64' : undefined;
  }

  /** UTF-8 bytes of what `reveal` gives. */
  get bytes(): number {
    return Buffer.byteLength(this.#text);
  }

  equals(other: SecretValue): boolean {
    return this.#text === other.#text && this.encoding === other.encoding;
  }

  /**
   * What a reference picks (specification.md §3): strings as they are; numbers and booleans as their JSON text, digit for
   * digit. Only an object's own members count, whatever their names; of members of one name the last.
   *
   * @throws VaultplaneError key_not_found, key_not_scalar or not_json; none shows anything of the value
   */
  pick(pick: Pick): string {
    if (pick === 'whole') return this.#text;
    const document = SecretValue.#read(this);
    if ('key' in pick) {
      if (document === undefined || !isObject(document)) {
        throw new VaultplaneError('not_json', 'the secret is no JSON object, so that no key can be picked from it');
      }
      return scalar(member(document, pick.key, pick.key), pick.key);
    }
    if (document === undefined) {
      throw new VaultplaneError('not_json', 'the secret is no JSON, so that no json_pointer can reach into it');
    }
    let reached = document;
    for (const token of pick.pointer.split('/').slice(1)) {
      reached = member(reached, token.replaceAll('~1', '/').replaceAll('~0', '~'), pick.pointer);
    }
    return scalar(reached, pick.pointer);
  }

  // Not a method of each value, which costs every one of them a field.
  static #read(value: SecretValue): Json | undefined {
    if (value.#document === UNREAD) value.#document = parseJson(value.#text);
    return value.#document === BINARY ? undefined : value.#document;
  }

  toJSON(): string {
    return '(hidden)';
  }

  toString(): string {
    return '(hidden)';
  }

  [INSPECT](): string {
    return 'SecretValue(hidden)';
  }
}

/** Before a number of a JSON text stands one of these, or nothing; where this is found in a string, that costs time only. */
const MAY_HAVE_NUMBERS = /(?:^|[\s:,[])-?\d/;

function parseJson(marked: string): Json | undefined {
  const text = withoutByteOrderMark(marked);
  const keepDigits = (_name: string, value: unknown, context: { source: string }) =>
    typeof value === 'number' ? new JsonNumber(context.source) : value;
  try {
    if (!MAY_HAVE_NUMBERS.test(text)) return JSON.parse(text) as Json;
    return JSON.parse(text, keepDigits as unknown as (name: string, value: unknown) => unknown) as Json;
  } catch {
    // No JSON, or nested deeper than the stack. The engine's message quotes the text, so it goes no further.
    return undefined;
  }
}

function isObject(json: Json): json is { [name: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !(json instanceof JsonNumber);
}

function member(json: Json, name: string, asked: string): Json {
  if (Array.isArray(json)) {
    const item = /^(0|[1-9]\d*)$/.test(name) ? json[Number(name)] : undefined;
    if (item !== undefined) return item;
  } else if (isObject(json) && Object.hasOwn(json, name)) {
    return json[name]!;
  }
  throw new VaultplaneError('key_not_found', `the secret has no member ${JSON.stringify(asked)}`);
}

function scalar(json: Json, asked: string): string {
  if (typeof json === 'string') return json;
  if (typeof json === 'boolean') return String(json);
  if (json instanceof JsonNumber) return json.text;
  const kind = json === null ? 'null' : Array.isArray(json) ? 'an array' : 'an object';
  throw new VaultplaneError('key_not_scalar', `the secret's member ${JSON.stringify(asked)} is ${kind}`);
}
