import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import {
  parseReference,
  printReference,
  type Reference,
  secondReading,
} from '@vaultplane/model/references/reference.ts';
import { isScopingOption, scopingOptions } from '@vaultplane/model/vaults/option-scope.ts';

/** Text between wildcards. */
type Parts = readonly string[];

interface Pattern {
  /** Null: any vault. */
  vault: string | null;
  /** Of a secret's name. */
  name: Parts;
  /** What the same text as a reference also means: a member, by its exact key, of secrets of this name. */
  member: { name: Parts; key: string } | null;
  options: Reference['options'];
}

/** What a token may do with a reference: have it, have it only by one of its readings, or not have it. */
export type Verdict = { allowed: true; onlyReading?: string } | { allowed: false };

const DENIED: Verdict = { allowed: false };
const ALLOWED: Verdict = { allowed: true };
/** Verdicts kept at once; a token asks for few references, over and over. */
const MAX_VERDICTS = 5000;

/**
 * Which secrets a token may have: patterns of the form `{vault://VAULT/NAME}`, in which a `*` stands for any text, slashes
 * included, and as VAULT for any vault. A pattern allows the secrets of that name with all their members and versions, and
 * without a wildcard in its last segment also that member of a secret, as the same text means in a reference. So
 * `billing/*` allows no member of a secret `billing`. Each reading of a reference is judged by itself. An ARN is a name of
 * its own. An option that makes another secret of the same name (option-scope.ts) is allowed only where the pattern has
 * the same one.
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
      if (this.#verdicts.size >= MAX_VERDICTS) this.#verdicts.clear();
      this.#verdicts.set(text, verdict);
    }
    return verdict;
  }

  #judge(reference: Reference): Verdict {
    const first = this.#allows(reference);
    const second = secondReading(reference);
    if (!second) return first ? ALLOWED : DENIED;
    if (this.#allows(second)) return first ? ALLOWED : { allowed: true, onlyReading: printReference(second) };
    return first ? { allowed: true, onlyReading: printReference(reference) } : DENIED;
  }

  /** Of one reading. */
  #allows({ vault, path, key, options }: Reference): boolean {
    return this.#patterns.some(
      (pattern) =>
        (pattern.vault === null || pattern.vault === vault) &&
        sameScope(pattern.options, options) &&
        (matchesParts(pattern.name, path) ||
          (key !== undefined && pattern.member?.key === key && matchesParts(pattern.member.name, path))),
    );
  }
}

function sameScope(allowed: Reference['options'] = {}, asked: Reference['options'] = {}): boolean {
  const names = [...Object.keys(allowed), ...Object.keys(asked)].filter(isScopingOption);
  return names.every((name) => allowed[name] === asked[name]);
}

function parsePattern(text: string): Pattern {
  const anyVault = text.startsWith('{vault://*/');
  const { vault, path, key, version, options } = parseReference(anyVault ? text.replace('*', 'any') : text);
  const unknown = Object.keys(options ?? {}).find((name) => !isScopingOption(name));
  if (version !== undefined || unknown !== undefined) {
    const what = unknown === undefined ? 'a version' : `option ${unknown}`;
    const known = scopingOptions().join(', ');
    throw new VaultplaneError('invalid_option', `a pattern can't have ${what}; it may have ${known}`);
  }
  return {
    vault: anyVault ? null : vault,
    name: partsOf(key === undefined ? path : `${path}/${key}`),
    member: key === undefined || key.includes('*') ? null : { name: partsOf(path), key },
    options,
  };
}

function partsOf(pattern: string): Parts {
  return pattern.split('*');
}

/** Whether a text is made of the parts in their order with anything between them. In linear time, whatever the pattern. */
function matchesParts(parts: Parts, text: string): boolean {
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
