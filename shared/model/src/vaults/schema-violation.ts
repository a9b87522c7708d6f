/** What is wrong with an entity, by the name of its field; an array's members by their place, null where one is right. */
export interface FieldErrors {
  [field: string]: FieldError;
}
export type FieldError = string | Array<string | null> | FieldErrors;

/** A vault that breaks its schema. Its message and `fields` have Kong's words (Kong: db/schema, db/errors.lua). */
export class SchemaViolation extends Error {
  override readonly name = 'SchemaViolation';
  readonly fields: FieldErrors;

  constructor(fields: FieldErrors) {
    super(schemaViolationMessage(fields));
    this.fields = fields;
  }
}

/** Kong's sentence for what is wrong: every field's error, in order of the fields' names. */
export function schemaViolationMessage(fields: FieldErrors): string {
  const parts = flattenErrors(fields, '');
  return parts.length === 1
    ? `schema violation (${parts[0]})`
    : `${parts.length} schema violations (${parts.join('; ')})`;
}

/** A line for each error, with the path of its field. */
export function flattenErrors(error: FieldError | null, path: string): string[] {
  if (error === null) return [];
  if (typeof error === 'string') return [`${path}: ${error}`];
  const below = (name: string) => (path === '' ? name : `${path}.${name}`);
  if (Array.isArray(error)) return error.flatMap((member, index) => flattenErrors(member, below(String(index + 1))));
  return Object.keys(error)
    .sort()
    .flatMap((name) => flattenErrors(error[name]!, below(name)));
}
