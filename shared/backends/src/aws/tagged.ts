import { ListSecretsCommand } from '@aws-sdk/client-secrets-manager';
import type { SecretTag } from '../backend.ts';
import { callAws } from './call.ts';
import { fromAwsException } from './errors.ts';
import type { SecretsManagerOptions } from './secrets-manager-answer.ts';

/** AWS's own limit of ListSecrets. */
const PAGE_SIZE = 100;
/** More secrets than this are no selection. */
const MOST_PAGES = 1000;
/** What a filter's value may be. Source: the API reference of ListSecrets. */
const FILTERABLE = /^[a-zA-Z0-9 :_@/+=.-]{1,512}$/;

/**
 * The names of the secrets that carry a tag, by ListSecrets. Its filters compare beginnings, and key and value apart
 * from each other, so that they only narrow down what is then compared here.
 *
 * @throws BackendError
 */
export async function findByTag(
  options: SecretsManagerOptions,
  { key, value }: SecretTag,
  signal: AbortSignal,
): Promise<string[]> {
  const { client, credentials, target, context } = options;
  const subject = `the list of secrets with tag ${JSON.stringify(value === undefined ? key : `${key}=${value}`)}`;
  const { counts, deadlines } = context;
  const call = { operation: 'ListSecrets', subject, target, credentials, deadline: deadlines.total, signal, counts };
  const filters = [
    ...(FILTERABLE.test(key) ? [{ Key: 'tag-key' as const, Values: [key] }] : []),
    ...(value !== undefined && FILTERABLE.test(value) ? [{ Key: 'tag-value' as const, Values: [value] }] : []),
  ];
  const names: string[] = [];
  let token: string | undefined;
  try {
    for (let page = 0; page < MOST_PAGES; page++) {
      const command = new ListSecretsCommand({
        MaxResults: PAGE_SIZE,
        ...(filters.length > 0 && { Filters: filters }),
        ...(token !== undefined && { NextToken: token }),
      });
      const answer = await callAws(call, (abortSignal) => client.send(command, { abortSignal }));
      for (const { Name: name, Tags: tags } of answer.SecretList ?? []) {
        const carries = tags?.some((tag) => tag.Key === key && (value === undefined || (tag.Value ?? '') === value));
        if (name && carries) names.push(name);
      }
      token = answer.NextToken;
      if (token === undefined) break;
    }
    return names;
  } catch (error) {
    throw fromAwsException(error, subject, target);
  }
}
