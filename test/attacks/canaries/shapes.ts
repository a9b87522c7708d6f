import { randomBytes, randomUUID } from 'node:crypto';

/** A secret in a place where it should not be: in one of the shapes that secrets come in. */
export interface Canary {
  shape: string;
  text: string;
  /** No part of so many characters of these may be seen anywhere, in capitals or not. */
  secrets: readonly string[];
}

/** So many characters of a secret in a row are no chance. */
const PART = 10;

const base64 = (bytes: number): string => randomBytes(bytes).toString('base64');
const base64url = (bytes: number): string => randomBytes(bytes).toString('base64url');
const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

const SHAPES: Record<string, () => Omit<Canary, 'shape'>> = {
  pem: () => {
    const lines = [base64(48), base64(48), base64(30)];
    const text = `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----`;
    return { text, secrets: lines };
  },
  'pem in base64': () => {
    const lines = [base64(48), base64(30)];
    const pem = `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
    const text = Buffer.from(pem).toString('base64');
    return { text, secrets: [...lines, text.slice(40)] };
  },
  'pem in one line': () => {
    const lines = [base64(48), base64(30)];
    return { text: `-----BEGIN EC PRIVATE KEY----- ${lines.join(' ')} -----END EC PRIVATE KEY-----`, secrets: lines };
  },
  base64: () => whole(base64(32)),
  'base64 that begins as a path': () => whole(`/${base64(48).slice(1)}`),
  hex: () => whole(hex(32)),
  'hex that is short': () => whole(hex(16)),
  uuid: () => whole(randomUUID()),
  'token of a vault server': () => whole(`hvs.CAESI${base64url(60)}`),
  'token of an application': () => whole(base64url(32)),
  'JSON Web Token': () => {
    const parts = [base64url(60), base64url(60)];
    return { text: `eyJhbGciOiJSUzI1NiJ9.${parts.join('.')}`, secrets: parts };
  },
  JSON: () => {
    const [key, id] = [base64(60), hex(20)];
    const json = { type: 'service_account', project_id: 'canary', private_key_id: id, private_key: key };
    return { text: JSON.stringify(json), secrets: [key, id] };
  },
  'URL with a user': () => {
    const [password, signature] = [base64url(18), hex(16)];
    return { text: `https://user:${password}@127.0.0.1:1/path?signature=${signature}`, secrets: [password, signature] };
  },
  'several lines': () => {
    const lines = [base64url(24), base64url(24)];
    return { text: `user ${lines[0]}\npassword ${lines[1]}`, secrets: lines };
  },
  password: () => whole(`Zq7!${base64url(12)}#k P%${base64url(6)}`),
};

/** One of each shape, none as any before. */
export function canaries(): Canary[] {
  return Object.entries(SHAPES).map(([shape, make]) => ({ shape, ...make() }));
}

/** Where a text shows a canary. */
export interface Showing {
  canary: Canary;
  /** The first part of it that is shown. */
  part: string;
  /** Where that begins. */
  at: number;
}

/**
 * Each of the canaries of which a text shows a part, with the first place. The text is gone through once, however many canaries
 * there are: a database's files are tens of megabytes.
 */
export function showings(text: string, canaries: readonly Canary[]): Showing[] {
  const byPart = new Map<string, Canary[]>();
  for (const canary of canaries) {
    for (const part of canary.secrets.flatMap(partsOf)) byPart.set(part, [...(byPart.get(part) ?? []), canary]);
  }
  // By its last four characters a part is looked for among all.
  const ends = new Uint8Array(2 ** 16);
  for (const part of byPart.keys()) ends[hashOf(lastFour(part))] = 1;
  const seen = lowerCased(text);
  const found = new Map<Canary, Showing>();
  let four = 0;
  for (let end = 0; end < seen.length; end++) {
    four = (four << 8) | (seen.charCodeAt(end) & 0xff);
    if (ends[hashOf(four)] === 0) continue;
    const at = end - PART + 1;
    const part = seen.slice(Math.max(0, at), end + 1);
    for (const canary of byPart.get(part) ?? []) if (!found.has(canary)) found.set(canary, { canary, part, at });
  }
  return [...found.values()];
}

function partsOf(secret: string): string[] {
  const text = lowerCased(secret);
  return Array.from({ length: Math.max(0, text.length - PART + 1) }, (_, at) => text.slice(at, at + PART));
}

/** Every character stays where it is, as those do not that are two in lower case. */
function lowerCased(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function lastFour(part: string): number {
  let four = 0;
  for (let at = part.length - 4; at < part.length; at++) four = (four << 8) | (part.charCodeAt(at) & 0xff);
  return four;
}

function hashOf(four: number): number {
  return Math.imul(four, 0x9e3779b1) >>> 16;
}

function whole(text: string): Omit<Canary, 'shape'> {
  return { text, secrets: [text] };
}
