import type { ServerResponse } from 'node:http';
import { currentRequestId, REQUEST_ID_HEADER } from '@vaultplane/platform/logging/request-id.ts';
import type { Resolved } from '../cache/resolver.ts';
import { contentOf } from '../server/answer.ts';
import { secretMembers } from '../server/secret-request.ts';

/** The type of AWS's JSON protocol. */
export const AWS_JSON_TYPE = 'application/x-amz-json-1.1';
/** Bodies remembered; applications send the same few over and over. */
const MOST_BODIES = 4096;
const LONGEST_BODY = 1024;
/** Larger values are for whoever minds slow readers. */
const LARGEST_VALUE = 64 * 1024;

/** What has been read and written down before for GetSecretValue. Every lookup is made anew; no value is remembered for it. */
export class AwsValues {
  /** What a body asks of a vault, as a reference. */
  readonly #references = new Map<string, string>();
  readonly #answers = new WeakMap<Resolved, { headers: string[]; text: string; encoding: 'latin1' | 'utf8' }>();

  /**
   * The reference that a body asks for.
   *
   * @param read makes it out where the body is not known; what it throws is thrown
   */
  referenceOf(vault: string, body: string, read: () => string): string {
    const key = `${vault} ${body}`;
    const known = this.#references.get(key);
    if (known !== undefined) return known;
    const reference = read();
    if (key.length <= LONGEST_BODY) {
      if (this.#references.size >= MOST_BODIES) this.#references.clear();
      this.#references.set(key, reference);
    }
    return reference;
  }

  /** Answers with a value, if it is small. @returns false where it is not */
  send(response: ServerResponse, resolved: Resolved): boolean {
    let answer = this.#answers.get(resolved);
    if (!answer) {
      if (resolved.value.length > LARGEST_VALUE) return false;
      const text = JSON.stringify(awsValueBody(resolved));
      const { headers, body } = contentOf(200, AWS_JSON_TYPE, text);
      const isAscii = body.length === text.length;
      answer = { headers: Object.entries(headers).flat().map(String), text, encoding: isAscii ? 'latin1' : 'utf8' };
      this.#answers.set(resolved, answer);
    }
    const id = currentRequestId()!;
    response.writeHead(200, [...answer.headers, REQUEST_ID_HEADER, id, 'x-amzn-requestid', id]);
    // A text goes out with the head in one piece.
    response.end(answer.text, answer.encoding);
    return true;
  }
}

/** What GetSecretValue answers. AWS leaves the labels out for a version that has none. */
export function awsValueBody(resolved: Resolved): object {
  const { VersionStages, ...members } = secretMembers(resolved);
  const { createdAt } = resolved.secret;
  return {
    ...members,
    ...(VersionStages.length > 0 && { VersionStages }),
    ...(createdAt !== null && { CreatedDate: createdAt / 1000 }),
  };
}
