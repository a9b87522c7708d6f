/** What a token has to have where somebody else than this program makes it. */
export const MIN_TOKEN_BITS = 128;

/** A random token of 128 bits has fewer different characters than this once in many millions of times. */
const MIN_DIFFERENT_CHARACTERS = 6;
const ALPHABETS: ReadonlyArray<readonly [RegExp, size: number]> = [
  [/^[0-9]+$/, 10],
  [/^(?:[0-9a-f]+|[0-9A-F]+)$/, 16],
  [/^(?:[a-z]+|[A-Z]+)$/, 26],
  [/^(?:[a-z2-7]+|[A-Z2-7]+)$/, 32],
];
/** Base64 and all other text. */
const LARGEST_ALPHABET = 64;

/**
 * Bits that a token has at most, by its length and the smallest usual alphabet that it is of: hexadecimal (a UUID's too),
 * base32, base64, digits, letters. Less is weak for sure; more only where it was made at random.
 */
export function tokenBits(token: string): number {
  if (new Set(token).size < MIN_DIFFERENT_CHARACTERS) return 0;
  const text = token.replaceAll('-', '').replace(/=+$/, '');
  const size = ALPHABETS.find(([letters]) => letters.test(text))?.[1] ?? LARGEST_ALPHABET;
  // What a hyphen only divides is no part of a token; in base64url it is.
  const length = size < LARGEST_ALPHABET ? text.length : token.replace(/=+$/, '').length;
  return Math.floor(length * Math.log2(size));
}

export function isWeakToken(token: string): boolean {
  return tokenBits(token) < MIN_TOKEN_BITS;
}

/** For errors and warnings. */
export const STRONG_TOKEN_ADVICE = `is weaker than ${MIN_TOKEN_BITS} bits; make one by: openssl rand -base64 32`;
