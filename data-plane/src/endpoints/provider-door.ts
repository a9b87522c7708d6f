import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { Resolved } from '../cache/resolver.ts';
import {
  beginError,
  type Content,
  contentOf,
  type ErrorForm,
  JSON_TYPE,
  sendContent,
  sendErrorText,
  sendJson,
} from '../server/answer.ts';
import type { Call, Route } from '../server/route.ts';
import { referenceTo, requireAws, secretMembers } from '../server/secret-request.ts';
import { awsErrorOf } from './aws-error.ts';
import type { Door } from './door.ts';

// The AWS Workload Credentials Provider's interface (specification.md §6, test/vectors/provider.json): the same paths, parameters,
// statuses and texts, and `vault`, which is ours.

const PATH_PREFIX = '/v1/';
const PARAMETERS = ['vault', 'versionId', 'versionStage', 'refreshNow', 'roleArn'];
const ROLE_ARN = /^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/;
/** Errors that AWS itself would have given are passed on in its form; all others are a line of text. */
const FROM_AWS: readonly string[] = [
  'not_found',
  'access_denied',
  'unavailable',
  'not_ready',
  'invalid_reference',
  'invalid_option',
];

/** GET /secretsmanager/get?secretId=… */
export function providerQueryRoute(door: Door): Route {
  return providerRoute(door, '/secretsmanager/get', ({ query }) => {
    const parameters = readParameters(query, ['secretId']);
    if (!parameters.secretId) throw new VaultplaneError('bad_request', 'missing parameter secretId');
    checkRole(parameters.roleArn);
    return { ...parameters, secretId: parameters.secretId };
  });
}

/** GET /v1/<secretId>, slashes of the name as they are or encoded. */
export function providerPathRoute(door: Door): Route {
  return providerRoute(door, '/v1/<secretId>', ({ path, query }) => {
    const secretId = decoded(path.slice(PATH_PREFIX.length));
    if (secretId === '') throw new VaultplaneError('bad_request', 'missing secret ID');
    const parameters = readParameters(query, []);
    checkRole(parameters.roleArn);
    return { ...parameters, secretId };
  });
}

interface Parameters {
  vault: string;
  secretId?: string;
  versionId?: string;
  versionStage?: string;
  refreshNow: boolean;
  roleArn?: string;
}

type Parse = (call: Pick<Call, 'path' | 'query'>) => Parameters & { secretId: string };

function providerRoute(door: Door, name: string, parse: Parse): Route {
  return {
    door: name,
    methods: ['GET'],
    sendError: sendProviderError,
    plainLookup(path, query) {
      if (query.has('refreshNow') || query.has('roleArn')) return null;
      try {
        const parameters = parse({ path, query });
        requireAws(door.resolver, parameters.vault);
        return { reference: referenceTo(parameters), answer: answerOf };
      } catch {
        return null;
      }
    },
    handle(call) {
      const { refreshNow, roleArn, ...secret } = parse(call);
      // A fault of the configuration is told as it is; the text of a reference would not be understood here.
      requireAws(door.resolver, secret.vault);
      const answer = (resolved: Resolved) => sendContent(call.response, answerOf(resolved));
      const result = call.begun ?? door.lookups.one(call.client, referenceTo(secret), { refresh: refreshNow, roleArn });
      return result instanceof Promise ? result.then(answer) : answer(result);
    },
  };
}

function answerOf(resolved: Resolved): Content {
  return contentOf(200, JSON_TYPE, JSON.stringify(secretBody(resolved)));
}

/** Members in the order of AWS's provider, and its date: whole seconds since 1970, as a text. */
function secretBody(resolved: Resolved): object {
  const { createdAt } = resolved.secret;
  return {
    ...secretMembers(resolved),
    ...(createdAt !== null && { CreatedDate: String(Math.floor(createdAt / 1000)) }),
  };
}

/** The last of several parameters of one name counts, and the first that is wrong is told. */
function readParameters(query: URLSearchParams, more: readonly string[]): Parameters {
  const parameters: Parameters = { vault: 'aws', refreshNow: false };
  for (const [name, value] of query) {
    if (name === 'refreshNow') parameters.refreshNow = readBoolean(value);
    else if (name === 'vault' || name === 'versionId' || name === 'versionStage' || name === 'roleArn') {
      parameters[name] = value;
    } else if (name === 'secretId' && more.includes(name)) parameters.secretId = value;
    else {
      const hint = nearest(name, [...PARAMETERS, ...more]);
      throw new VaultplaneError('bad_request', `unknown parameter: ${shownName(name)}${hint}`);
    }
  }
  return parameters;
}

function readBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (lower === 'true' || lower === '1') return true;
  if (lower === 'false' || lower === '0') return false;
  throw new VaultplaneError('bad_request', 'invalid refreshNow value');
}

function checkRole(roleArn: string | undefined): void {
  if (roleArn === undefined || ROLE_ARN.test(roleArn)) return;
  throw new VaultplaneError(
    'bad_request',
    'invalid roleArn format, expected arn:<partition>:iam::<account>:role/<name>',
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const sendProviderError: ErrorForm = (response, error) => {
  if (!FROM_AWS.includes(error.code)) {
    sendErrorText(response, error);
    return;
  }
  if (!beginError(response, error)) return;
  const { type, status, message } = awsErrorOf(error);
  sendJson(response, status, { __type: type, message });
};
