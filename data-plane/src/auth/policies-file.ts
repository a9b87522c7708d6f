import { dirname, resolve } from 'node:path';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { loadRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { Policy } from './policy.ts';
import { isToken, readTokenFile, tokenDigest } from './token.ts';
import { isWeakToken, STRONG_TOKEN_ADVICE } from './token-strength.ts';

/** Tens of thousands of policies. */
const MAX_POLICIES_BYTES = 16 * 1024 * 1024;

/** One application of the file of api_policies. */
export interface NamedPolicy {
  name: string;
  /** The digest of its token. */
  digest: string;
  policy: Policy;
  /** Equal for equal policies. */
  source: string;
}

const MEMBERS = ['name', 'token', 'token_file', 'token_sha256', 'allow', 'role_arns'];
const EXAMPLE =
  '{"policies":[{"name":"billing","token_file":"/etc/vaultplane/billing.token","allow":["{vault://aws/billing/*}"]}]}';

/**
 * Reads the file of api_policies: `{"policies":[…]}`, each `{name, allow, role_arns?}` with one of `token_file` (beside the
 * policies' file if it is no absolute path), `token_sha256` (64 hexadecimal digits) and `token`. Tokens have 128 bits; of
 * what a digest is of, nobody can tell.
 *
 * @throws StartError one line that says what is wrong, without a token
 */
export async function readPolicies(path: string): Promise<NamedPolicy[]> {
  const fail = (what: string): never => {
    throw new StartError(`api_policies = ${shownPath(path)}: ${what}`);
  };
  let text: string;
  try {
    text = await loadRegularFile(path, MAX_POLICIES_BYTES);
  } catch (error) {
    throw new StartError(fileError('api_policies = ', path, "can't be read", error));
  }
  let document: unknown;
  try {
    document = JSON.parse(withoutByteOrderMark(text));
  } catch {
    // The parser's own message quotes the file, which may hold tokens.
    return fail(`is not JSON; it must have the form ${EXAMPLE}`);
  }
  const entries = (document as { policies?: unknown } | null)?.policies;
  if (!Array.isArray(entries) || Object.keys(document as object).length > 1)
    return fail(`must have the form ${EXAMPLE}`);

  const policies: NamedPolicy[] = [];
  for (const [index, entry] of entries.entries()) {
    policies.push(await readPolicy(entry, dirname(path), (what) => fail(`policy ${index + 1} ${what}`)));
  }
  for (const [index, { name, digest }] of policies.entries()) {
    const twin = policies.slice(0, index).find((other) => other.name === name || other.digest === digest);
    if (twin) fail(`policies ${twin.name} and ${name} have the same ${twin.name === name ? 'name' : 'token'}`);
  }
  return policies;
}

async function readPolicy(entry: unknown, folder: string, fail: (what: string) => never): Promise<NamedPolicy> {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return fail('must be an object');
  const unknown = Object.keys(entry).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) fail(`has a member that is not one of ${MEMBERS.join(', ')}${nearest(unknown, MEMBERS)}`);
  const { name, allow, role_arns: roleArns = [], ...given } = entry as Record<string, unknown>;
  if (typeof name !== 'string' || !/^[\w.@-]{1,100}$/.test(name)) {
    return fail('must have a name of letters, digits, and any of . _ @ -');
  }
  const failOf = (what: string) => fail(`(${name}) ${what}`);
  if (!isTexts(allow)) return failOf('must have allow, a list of patterns such as {vault://aws/billing/*}');
  if (!isTexts(roleArns)) return failOf('must have a list of texts as role_arns');
  let policy: Policy;
  try {
    policy = new Policy(allow, roleArns);
  } catch (error) {
    if (!(error instanceof VaultplaneError)) throw error;
    return failOf(`allows what is no pattern: ${error.message}`);
  }
  const digest = await readDigest(given, folder, failOf);
  return { name, digest, policy, source: JSON.stringify([allow, roleArns]) };
}

async function readDigest(
  given: Record<string, unknown>,
  folder: string,
  fail: (what: string) => never,
): Promise<string> {
  const { token, token_file: file, token_sha256: digest } = given;
  if (Object.keys(given).length !== 1) return fail('must have one of token_file, token_sha256 and token');
  const strong = (text: string) => (isWeakToken(text) ? fail(`has a token that ${STRONG_TOKEN_ADVICE}`) : text);
  if (typeof file === 'string') {
    const path = resolve(folder, file);
    const text = await readTokenFile(path, 'token_file').catch((error: StartError) => fail(error.message));
    return text === undefined
      ? fail(`names a token_file that is not there, ${shownPath(path)}`)
      : tokenDigest(strong(text));
  }
  if (typeof digest === 'string' && /^[0-9a-f]{64}$/i.test(digest)) return digest.toLowerCase();
  if (typeof token === 'string' && isToken(token)) return tokenDigest(strong(token));
  return fail('has a token that is none (not shown)');
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
