/** Such as `server`, `HTTPS`, `node22`, `x509`, `serviceAccount`, `base64url`. */
const WORD = /^(?:[A-Z]?[a-z]{2,19}\d{0,4}|[A-Z]{2,12}\d{0,4}|[A-Za-z]\d{1,4}|[a-z]{3,8}\d{1,3}[a-z]{3,8})$/;
const COMPOUND = /^(?:[A-Z]?[a-z]{2,}|[A-Z]{2,4})(?:[A-Z][a-z]{2,}){1,3}\d{0,4}$/;
/** A date has 8 digits. */
const MAX_DIGITS = 8;
/** So few say nothing. */
const MAX_ANYTHING = 3;
const MAX_COMPOUND = 32;

/**
 * How many characters of a text are in words that no language has, as the words of keys and tokens are: hexadecimal, base64
 * and random ones. Names that people give to files, hosts and accounts have few of them.
 */
export function opaqueCharacters(text: string): number {
  let count = 0;
  for (const [word] of text.matchAll(/[A-Za-z0-9+]+/g)) if (!isWord(word)) count += word.length;
  return count;
}

function isWord(word: string): boolean {
  if (word.length <= MAX_ANYTHING) return true;
  if (/^\d+$/.test(word)) return word.length <= MAX_DIGITS;
  return WORD.test(word) || (word.length <= MAX_COMPOUND && COMPOUND.test(word));
}
