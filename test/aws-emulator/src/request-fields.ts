import { AwsError } from './aws-error.ts';

/** The members of one JSON 1.1 request, read with the constraints of AWS's service model. */
export class RequestFields {
  readonly #json: Record<string, unknown>;

  /** Throws SerializationException for a body that is not a JSON object. */
  constructor(body: Buffer) {
    let json: unknown;
    try {
      json = body.length === 0 ? {} : JSON.parse(body.toString('utf8'));
    } catch {
      throw new AwsError('SerializationException', 'Could not parse request body into json');
    }
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new AwsError('SerializationException', 'Start of structure or map found where not expected.');
    }
    this.#json = json as Record<string, unknown>;
  }

  /** Every member, for those that are refused by their name. */
  get all(): Readonly<Record<string, unknown>> {
    return this.#json;
  }

  /** A string of `min` to `max` characters, or null when absent. */
  string(name: string, min: number, max: number): string | null {
    const value = this.#json[name] ?? null;
    if (value === null) return null;
    if (typeof value !== 'string') throw wrongType(name);
    if (value.length < min) throw constraint(name, `Member must have length greater than or equal to ${min}`);
    if (value.length > max) throw constraint(name, `Member must have length less than or equal to ${max}`);
    return value;
  }

  requiredString(name: string, min: number, max: number): string {
    const value = this.string(name, min, max);
    if (value === null) throw constraint(name, 'Member must not be null', 'Value null');
    return value;
  }

  integer(name: string, min: number, max: number): number | null {
    const value = this.#json[name] ?? null;
    if (value === null) return null;
    if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongType(name);
    if (value < min) throw constraint(name, `Member must have value greater than or equal to ${min}`);
    if (value > max) throw constraint(name, `Member must have value less than or equal to ${max}`);
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#json[name] ?? false;
    if (typeof value !== 'boolean') throw wrongType(name);
    return value;
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | null {
    const value = this.string(name, 0, 256);
    if (value === null) return null;
    if (!choices.includes(value as T)) {
      throw constraint(name, `Member must satisfy enum value set: [${choices.join(', ')}]`);
    }
    return value as T;
  }

  strings(name: string, min: number, max: number): string[] | null {
    const value = this.list(name, min, max);
    if (value?.some((item) => typeof item !== 'string')) throw wrongType(name);
    return value as string[] | null;
  }

  list(name: string, min: number, max: number): unknown[] | null {
    const value = this.#json[name] ?? null;
    if (value === null) return null;
    if (!Array.isArray(value)) throw wrongType(name);
    if (value.length < min) throw constraint(name, `Member must have length greater than or equal to ${min}`);
    if (value.length > max) throw constraint(name, `Member must have length less than or equal to ${max}`);
    return value;
  }

  /** A list of `{Key, Value}`; Tags of CreateSecret. */
  tags(name: string): Map<string, string> {
    const tags = new Map<string, string>();
    for (const item of this.list(name, 0, 50) ?? []) {
      const { Key, Value } = (item ?? {}) as { Key?: unknown; Value?: unknown };
      if (typeof Key !== 'string' || typeof Value !== 'string') throw wrongType(name);
      if (Key === '' || Key.length > 128) throw constraint(name, 'Member must have length between 1 and 128');
      if (tags.has(Key)) {
        throw new AwsError('InvalidParameterException', `You can't have duplicate tag keys: ${Key}`);
      }
      tags.set(Key, Value);
    }
    return tags;
  }
}

/** "1 validation error detected: …", without the offending value where that may be a secret. */
export function constraint(name: string, rule: string, subject = 'Value'): AwsError {
  const member = `${name[0]!.toLowerCase()}${name.slice(1)}`;
  return new AwsError(
    'ValidationException',
    `1 validation error detected: ${subject} at '${member}' failed to satisfy constraint: ${rule}`,
  );
}

const wrongType = (name: string): AwsError =>
  new AwsError('SerializationException', `The value of ${name} has the wrong JSON type`);
