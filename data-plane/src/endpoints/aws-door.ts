import type { ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import { currentRequestId } from '@vaultplane/platform/logging/request-id.ts';
import type { Client } from '../auth/client.ts';
import type { Resolved } from '../cache/resolver.ts';
import type { ByteBudget } from '../limits/byte-budget.ts';
import { MethodNotAllowed } from '../limits/guards.ts';
import type { UnreadAnswers } from '../limits/unread-answers.ts';
import { beginError, type ErrorForm, send } from '../server/answer.ts';
import { parseJson, readText } from '../server/request-body.ts';
import type { Call, Route } from '../server/route.ts';
import { referenceTo, requireAws } from '../server/secret-request.ts';
import { awsErrorOf } from './aws-error.ts';
import { AWS_JSON_TYPE, AwsValues, awsValueBody } from './aws-values.ts';
import type { Door } from './door.ts';

// AWS Secrets Manager's own protocol (JSON 1.1), for AWS's SDKs and CLI (specification.md §6). Signatures are not checked: the
// token, which stands in for the session token, is what lets a caller in.

const TARGET_PREFIX = 'secretsmanager.';
const DEFAULT_VAULT = 'aws';
const LARGEST_BODY_BYTES = 64 * 1024;
/** Source: the API reference, BatchGetSecretValue. */
const LARGEST_BATCH = 20;

type Fields = Record<string, unknown>;

/** What a call is answered, and the lookups that it is made of. */
interface Outcome {
  results: ReadonlyArray<Resolved | VaultplaneError>;
  body: object;
}

/** POST /, and POST /aws/PREFIX for another vault than `aws`. */
export function awsRoute(door: Door, bodies: ByteBudget, unread: UnreadAnswers): Route {
  const values = new AwsValues();
  return {
    door: 'AWS',
    methods: ['POST'],
    sendError: sendAwsError,
    takesSessionToken: true,
    async handle(call) {
      const vault = vaultOf(call.path);
      const operation = operationOf(call);
      const text = await readText(call.request, bodies, LARGEST_BODY_BYTES);
      let outcome: Outcome;
      if (operation === 'GetSecretValue') {
        const reference = values.referenceOf(vault, text, () => valueReference(vault, fieldsOf(text)));
        requireAws(door.resolver, vault);
        const result = door.lookups.one(call.client, reference, {});
        const resolved = result instanceof Promise ? await result : result;
        if (values.send(call.response, resolved)) return;
        outcome = { results: [resolved], body: awsValueBody(resolved) };
      } else {
        const fields = fieldsOf(text);
        requireAws(door.resolver, vault);
        outcome = await carryOut(door, call.client, operation, vault, fields);
      }
      const { results, body } = outcome;
      call.response.setHeader('x-amzn-requestid', currentRequestId()!);
      await unread.send(call.response, call.client, AWS_JSON_TYPE, results, () => JSON.stringify(body));
    },
  };
}

/** Nothing of the path but the vault's prefix; SDKs put a slash behind it. */
function vaultOf(path: string): string {
  if (path === '/') return DEFAULT_VAULT;
  const prefix = path.slice('/aws/'.length).replace(/\/$/, '');
  if (prefix === '' || prefix.includes('/')) throw new VaultplaneError('not_found', 'Not found');
  return prefix;
}

function operationOf({ request }: Call): string {
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string' && target.startsWith(TARGET_PREFIX)) return target.slice(TARGET_PREFIX.length);
  throw unsupported('this is a part of AWS Secrets Manager; X-Amz-Target names no operation of it');
}

function fieldsOf(text: string): Fields {
  const body = parseJson(text);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Fields;
  throw invalid('The body must be a JSON object.');
}

function carryOut(door: Door, client: Client, operation: string, vault: string, fields: Fields): Promise<Outcome> {
  switch (operation) {
    case 'BatchGetSecretValue':
      return batchGetSecretValue(door, client, vault, fields);
    case 'DescribeSecret':
      return describeSecret(door, client, vault, fields);
    default:
      throw unsupported('vaultplane answers GetSecretValue, BatchGetSecretValue and DescribeSecret only');
  }
}

function valueReference(vault: string, fields: Fields): string {
  return referenceTo({
    vault,
    secretId: requiredText(fields, 'SecretId', 2048),
    versionId: optionalText(fields, 'VersionId', 64),
    versionStage: optionalText(fields, 'VersionStage', 256),
  });
}

async function batchGetSecretValue(door: Door, client: Client, vault: string, fields: Fields): Promise<Outcome> {
  if (fields.Filters !== undefined || fields.MaxResults !== undefined || fields.NextToken !== undefined) {
    throw unsupported('vaultplane gives the secrets of a SecretIdList; it has no list of secrets to filter');
  }
  const ids = fields.SecretIdList;
  if (
    !Array.isArray(ids) ||
    ids.length < 1 ||
    ids.length > LARGEST_BATCH ||
    !ids.every((id) => typeof id === 'string')
  ) {
    throw invalid(`SecretIdList must be a list of 1 to ${LARGEST_BATCH} names or ARNs.`);
  }
  const different = [...new Set(ids as string[])];
  const references = different.map((secretId) => referenceTo({ vault, secretId }));
  const results = await door.lookups.many(client, references, {});
  const values: object[] = [];
  const errors: object[] = [];
  for (const [index, result] of results.entries()) {
    if (!(result instanceof VaultplaneError)) {
      values.push(awsValueBody(result));
      continue;
    }
    const { type, message } = awsErrorOf(result);
    errors.push({ SecretId: different[index], ErrorCode: type, Message: message });
  }
  // Nothing at all could be had for want of the vault: that is the call's failure, which SDKs try again.
  const unreachable = results.find((result) => result instanceof VaultplaneError && result.status === 503);
  if (values.length === 0 && unreachable) throw unreachable;
  return { results, body: { SecretValues: values, Errors: errors } };
}

/**
 * What is known of a secret from its versions: its names, and which versions have which labels. The rest of AWS's answer
 * (tags, rotation, description) is not held here, and is left out.
 */
async function describeSecret(door: Door, client: Client, vault: string, fields: Fields): Promise<Outcome> {
  const secretId = requiredText(fields, 'SecretId', 2048);
  const references = [referenceTo({ vault, secretId }), referenceTo({ vault, secretId, versionStage: 'AWSPREVIOUS' })];
  const [current, previous] = await door.lookups.many(client, references, {});
  if (current instanceof VaultplaneError) throw current;
  const { secret, version } = current!;
  const versions: Record<string, readonly string[]> = {};
  // Where they were fetched before and after a rotation, a version is in both: the current one's labels are the newer.
  for (const known of [previous!, current!]) {
    if (!(known instanceof VaultplaneError) && known.version.id !== null)
      versions[known.version.id] = known.version.stages;
  }
  if (version.id !== null) versions[version.id] = version.stages;
  const body = {
    ARN: secret.arn,
    Name: secret.name,
    ...(secret.createdAt !== null && { LastChangedDate: secret.createdAt / 1000 }),
    VersionIdsToStages: versions,
  };
  return { results: [], body };
}

function requiredText(fields: Fields, name: string, most: number): string {
  const text = optionalText(fields, name, most);
  if (text === undefined) throw invalid(`${name} is required.`);
  return text;
}

function optionalText(fields: Fields, name: string, most: number): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value.length >= 1 && value.length <= most) return value;
  throw invalid(`${name} must be a text of 1 to ${most} characters.`);
}

function invalid(message: string): VaultplaneError {
  return new VaultplaneError('bad_request', message);
}

function unsupported(message: string): VaultplaneError {
  return new VaultplaneError('unsupported_operation', message);
}

/** Errors of the layer in front of the service have `message`, the service's own `Message`; SDKs read both, so both are there. */
const sendAwsError: ErrorForm = (response: ServerResponse, error: VaultplaneError) => {
  if (!beginError(response, error)) return;
  const { type, status, message } = awsErrorOf(error);
  const body = JSON.stringify({ __type: type, message, Message: message });
  send(response, error instanceof MethodNotAllowed ? 405 : status, AWS_JSON_TYPE, body, {
    'x-amzn-errortype': type,
    // What SDKs show as an error's request id, and what this program's log has it by.
    'x-amzn-requestid': currentRequestId()!,
  });
};
