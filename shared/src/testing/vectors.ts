import { existsSync, readFileSync } from 'node:fs';

const OWN = new URL('../../../test/vectors/', import.meta.url);
const TEAM = new URL('../../../../shared/vectors/', import.meta.url);

/**
 * The binding examples of the contract, for tests: from the team's shared folder beside the project where there is one,
 * otherwise the project's own copy in test/vectors (test/vectors.test.ts holds the two equal).
 *
 * @param name file name without `.json`, such as `references`
 */
export function vectors<T>(name: string): T {
  const team = new URL(`${name}.json`, TEAM);
  return JSON.parse(readFileSync(existsSync(team) ? team : new URL(`${name}.json`, OWN), 'utf8')) as T;
}
