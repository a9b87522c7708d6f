import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import { parseReference, printReference, type Reference } from '@vaultplane/shared/reference.ts';

/** Options of a reference that make another secret of the same name: a pattern allows none that it does not name itself. */
const SCOPING_OPTIONS = ['region', 'prefix'] as const;

interface Pattern {
  /** Null: any vault. */
  vault: string | null;
  /** The name between its wildcards. */
  parts: readonly string[];
  options: Reference['options'];
}

/** What a token may do with a reference: have it, have it only by its first reading, or not have it. */
export type Verdict = { allowed: true; onlyReading?: string } | { allowed: false };

const DENIED: Verdict = { allowed: false };
const ALLOWED: Verdict = { allowed: true };
/** Verdicts kept at once; a token asks for few references, over and over. */
const MOST_VERDICTS = 5000;

/**
 * Which secrets a token may have: patterns of the form `{vault://VAULT/NAME}`, in which a `*` stands for any text, slashes
 * included, and as VAULT for any vault. A pattern allows the secret of that name with all its keys and versions, and what
 * the same text as a reference stands for. An ARN is a name of its own, and a `region` or `prefix` option is allowed only
 * where the pattern has the same one: both reach other secrets than the name says.
 */
export class Policy {
  readonly #patterns: readonly Pattern[];
  readonly #roleArns: readonly string[];
  readonly #verdicts = new Map<string, Verdict>();

  /** @throws VaultplaneError invalid_reference and the like for a pattern that is none */
  constructor(patterns: readonly string[], roleArns: readonly string[] = []) {
    this.#patterns = patterns.map(parsePattern);
    this.#roleArns = roleArns;
  }

  allowsRole(roleArn: string): boolean {
    return this.#roleArns.includes(roleArn);
  }

  /** @throws VaultplaneError for what is no reference */
  verdict(text: string): Verdict {
    let verdict = this.#verdicts.get(text);
    if (verdict === undefined) {
      verdict = this.#judge(parseReference(text));
      if (this.#verdicts.size >= MOST_VERDICTS) this.#verdicts.clear();
      this.#verdicts.set(text, verdict);
    }
    return verdict;
  }

  #judge(reference: Reference): Verdict {
    const { path, key } = reference;
    if (key === undefined) return this.#matches(reference, path) ? ALLOWED : DENIED;
    const whole = `${path}/${key}`;
    // A key with a slash in it is no part of the name's path, whatever the text looks like.
    if (this.#matches(reference, whole) && !key.includes('/')) return ALLOWED;
    if (!this.#matches(reference, path)) return DENIED;
    return this.#matches(reference, whole) ? ALLOWED : { allowed: true, onlyReading: printReference(reference) };
  }

  #matches(reference: Reference, name: string): boolean {
    return this.#patterns.some(
      ({ vault, parts, options }) =>
        (vault === null || vault === reference.vault) &&
        SCOPING_OPTIONS.every((option) => reference.options?.[option] === options?.[option]) &&
        matchesParts(parts, name),
    );
  }
}

function parsePattern(text: string): Pattern {
  const anyVault = text.startsWith('{vault://*/');
  const { vault, path, key, version, options } = parseReference(anyVault ? text.replace('*', 'any') : text);
  const unknown = Object.keys(options ?? {}).find((name) => !SCOPING_OPTIONS.some((known) => known === name));
  if (version !== undefined || unknown !== undefined) {
    const what = unknown === undefined ? 'a version' : `option ${unknown}`;
    throw new VaultplaneError(
      'invalid_option',
      `a pattern can't have ${what}; it may have ${SCOPING_OPTIONS.join(', ')}`,
    );
  }
  const name = key === undefined ? path : `${path}/${key}`;
  return { vault: anyVault ? null : vault, parts: name.split('*'), options };
}

/** Whether a text is made of the parts in their order with anything between them. In linear time, whatever the pattern. */
function matchesParts(parts: readonly string[], text: string): boolean {
  const first = parts[0]!;
  if (parts.length === 1) return text === first;
  const last = parts.at(-1)!;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
