import { shownName } from '@vaultplane/platform/text/shown-text.ts';

/** What is known of an error of AWS beyond its code. */
export interface AwsReason {
  /** AWS's own words; empty where it gave none, or none that are known to repeat nothing. */
  words: string;
  /** What to look at; empty where the words say it. */
  look: string;
}

type Known = readonly [sentence: RegExp, look: string];

const AT_KEY =
  "look at the secret's KMS key: kms:Decrypt in the caller's policy and in the key policy, and the key's state";
const AT_TRUST = "look at the role's trust policy, and at sts:AssumeRole in the caller's own policy";
const AT_CLOCK = "look at this machine's clock";

/**
 * Sentences of AWS that are known to hold nothing but what they say here. A message is not passed on whole: the endpoint may
 * be any server, a parser's message quotes what it could not read, and a signature's the request with its session token.
 * Sources: API references of Secrets Manager, KMS and STS, and their answers.
 */
const SENTENCES: readonly Known[] = [
  // Secrets Manager, and KMS through it.
  [/Access to KMS is not allowed/, AT_KEY],
  [/Secrets Manager can[’']t (?:de|en)crypt the protected secret text using the provided KMS key/, AT_KEY],
  [
    /You can[’']t access a secret from a different AWS account if you encrypt the secret with the default KMS service key/,
    'its owner must encrypt it with a customer managed key whose key policy lets this account decrypt',
  ],
  [
    /(?:You can[’']t perform this operation on the secret because it was|You tried to perform the operation on a secret that[’']s currently) (?:marked for deletion|marked deleted|scheduled for deletion)/,
    'until its recovery window ends, restore-secret brings it back',
  ],
  [/You provided a VersionStage that is not associated to the provided VersionId/, ''],
  [/Secrets Manager can[’']t find the specified secret value for (?:VersionId|staging label)/, ''],
  [
    /The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access/,
    AT_KEY,
  ],
  [
    /(?:because )?the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access/,
    '',
  ],
  [/Invalid name\. Must be a valid name containing alphanumeric characters, or any of the following: [-/_+=.@!]+/, ''],
  // What a policy says: behind "is not authorized to perform", in every service.
  [/(?:because )?no [a-z -]{4,40} polic(?:y|ies) allows? the \w+:\w+ action/, ''],
  [/(?:with )?an explicit deny in an? [a-z -]{4,40} policy/, ''],
  // Signatures and tokens.
  [/Signature expired: \w{1,20} is now earlier than \w{1,20}/, AT_CLOCK],
  [/Signature not yet current: \w{1,20} is still later than \w{1,20}/, AT_CLOCK],
  [/The difference between the request time and the (?:current|server[’']s) time is too large/, AT_CLOCK],
  [/The request signature we calculated does not match the signature you provided/, 'look at the secret access key'],
  [/Credential should be scoped to a valid region/, "look at the vault's region, and at the endpoint's"],
  [/Credential should be scoped to correct service/, 'look at the endpoint: it is that of another service'],
  [/The (?:security|provided) token included in the request (?:is|has) (?:expired|invalid)/, ''],
  [/The AWS Access Key Id you provided does not exist in our records/, ''],
  // STS.
  [/Not authorized to perform sts:AssumeRoleWithWebIdentity/, "look at the role's trust policy"],
  [/No OpenIDConnect provider found in your account/, "look at IAM's identity providers"],
  [/Incorrect token audience/, "look at the identity provider's audiences in IAM"],
  [/Couldn[’']t retrieve verification key from your identity provider/, ''],
  [/Token expired: current date\/time \d{1,16} must be before the expiration date\/time \d{1,16}/, ''],
  [/The web identity token (?:is expired|that was passed is expired|provided could not be validated)/, ''],
  [/The requested DurationSeconds exceeds the MaxSessionDuration set for this role/, ''],
  [/The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining/, ''],
  [/STS is not activated in this region/, 'activate it in the IAM console, or name another by sts_endpoint_url'],
  // Of what was sent: the rule, without the value.
  [/at '[A-Za-z.]{1,60}' failed to satisfy constraint: Member must (?:have|satisfy) [a-z ]{4,60}[0-9]{0,6}/, ''],
];

/** States in which a KMS key opens nothing, as KMS and Secrets Manager tell of them. */
const KEY_STATE =
  /\b(disabled|pending ?deletion|pending ?import|pending ?replica ?deletion|unavailable|does not exist)\b/i;
const KMS_KEY =
  /\barn:aws[a-z-]*:kms:[a-z0-9-]{4,30}:\d{12}:key\/(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/;

/** @param message AWS's, or one that only looks like it */
export function awsReason(code: string, message: string): AwsReason {
  for (const [sentence, look] of SENTENCES) {
    const words = sentence.exec(message)?.[0];
    if (words !== undefined)
      return { words: words.replace(/^(?:because|with) /, '') + labelIn(message), look: look || lookAt(message) };
  }
  if (/\bKMS\b|\bkms:/.test(message) || code.startsWith('KMS')) {
    const state = KEY_STATE.exec(message)?.[1];
    const key = KMS_KEY.exec(message)?.[0];
    const words = `the KMS key ${key ?? 'of the secret'} ${state === undefined ? 'does not open it' : `is in the state "${state}"`}`;
    return { words, look: AT_KEY };
  }
  return { words: '', look: lookAt(message) };
}

/** Who was denied what, out of AWS's message; empty where it says nothing of it. */
export function deniedIn(message: string): string {
  const who = /User: (arn:[\w:+=,.@/-]{1,300})/.exec(message)?.[1];
  const what = /not authorized to perform: (\w+:\w+)/.exec(message)?.[1];
  if (!who || !what) return '';
  const on = /on resource: (arn:aws[a-z-]*:(?:kms|iam|sts):[\w:+=,.@/-]{1,300})/.exec(message)?.[1];
  return `${who} may not ${what}${on === undefined ? '' : ` on ${on}`}`;
}

function lookAt(message: string): string {
  if (/not authorized to perform: kms:/.test(message)) return AT_KEY;
  return /not authorized to perform: sts:(?:AssumeRole|TagSession)/.test(message) ? AT_TRUST : '';
}

/** Which version there is none of: the label was in the request. */
function labelIn(message: string): string {
  const label = /specified secret value for staging label: ([\w+=,.@/-]{1,256})/.exec(message)?.[1];
  return label === undefined ? '' : ` ${shownName(label)}`;
}
