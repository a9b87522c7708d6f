/**
 * Tells whether a value has a form. What messages are checked by: a few functions, since a library of schemas would be
 * most of what a program loads before its first answer (typebox: 683 files, 300 ms).
 */
export type Form<T> = (value: unknown) => value is T;

/** The type of what has a form. */
export type Of<F> = F extends Form<infer T> ? T : never;

/** A member that may be absent. */
export interface Optional<T> {
  optional: Form<T>;
}

type Members = Record<string, Form<unknown> | Optional<unknown>>;
type ObjectOf<M extends Members> = {
  -readonly [K in keyof M as M[K] extends Form<unknown> ? K : never]: Of<M[K]>;
} & {
  -readonly [K in keyof M as M[K] extends Form<unknown> ? never : K]?: M[K] extends Optional<infer T> ? T : never;
};

export const anything: Form<unknown> = (value): value is unknown => true;

export const boolean: Form<boolean> = (value) => typeof value === 'boolean';

export const bytes: Form<Uint8Array> = (value) => value instanceof Uint8Array;

/** @param most UTF-16 units */
export function text(most = Infinity): Form<string> {
  return (value): value is string => typeof value === 'string' && value.length <= most;
}

export function textLike(pattern: RegExp): Form<string> {
  return (value): value is string => typeof value === 'string' && pattern.test(value);
}

export function integer(least = -Infinity, most = Infinity): Form<number> {
  return (value): value is number => Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

export function exactly<const T extends string>(...texts: T[]): Form<T> {
  return (value): value is T => texts.includes(value as T);
}

export function orNull<T>(form: Form<T>): Form<T | null> {
  return (value): value is T | null => value === null || form(value);
}

export function optional<T>(form: Form<T>): Optional<T> {
  return { optional: form };
}

export function listOf<T>(form: Form<T>, most = Infinity): Form<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.length <= most && value.every(form);
}

/** A list with as many items as there are forms, each of its own. */
export function tuple<const F extends ReadonlyArray<Form<unknown>>>(
  ...forms: F
): Form<{ -readonly [I in keyof F]: Of<F[I]> }> {
  return (value): value is { -readonly [I in keyof F]: Of<F[I]> } =>
    Array.isArray(value) && value.length === forms.length && forms.every((form, index) => form(value[index]));
}

/**
 * An object whose members are all of one form, whatever their names.
 *
 * @param limits how many members it may have, and how long their names may be, in UTF-16 units
 */
export function mapOf<T>(
  form: Form<T>,
  { maxMembers = Infinity, maxName = Infinity }: { maxMembers?: number; maxName?: number } = {},
): Form<Record<string, T>> {
  return (value): value is Record<string, T> => {
    if (!isObject(value)) return false;
    const members = Object.entries(value);
    return members.length <= maxMembers && members.every(([name, member]) => name.length <= maxName && form(member));
  };
}

/** An object that has these members; it may have others. */
export function object<const M extends Members>(members: M): Form<ObjectOf<M>> {
  const parts = Object.entries(members).map(([name, member]) =>
    typeof member === 'function'
      ? { name, form: member, isOptional: false }
      : { name, form: member.optional, isOptional: true },
  );
  return (value): value is ObjectOf<M> => {
    if (!isObject(value)) return false;
    for (const { name, form, isOptional } of parts) {
      const member = value[name];
      if (!(isOptional && member === undefined) && !form(member)) return false;
    }
    return true;
  };
}

/** An object whose member `type` says which of these forms it has. */
export function byType<const F extends Record<string, Form<{ type: string }>>>(forms: F): Form<Of<F[keyof F]>> {
  return (value): value is Of<F[keyof F]> => {
    if (!isObject(value)) return false;
    const { type } = value;
    return typeof type === 'string' && Object.hasOwn(forms, type) && forms[type]!(value);
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
