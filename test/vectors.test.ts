import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { it } from 'node:test';

const OWN = new URL('./vectors/', import.meta.url);
const TEAM = new URL('../../shared/vectors/', import.meta.url);

it("the project's own vectors are the team's", {
  skip: existsSync(TEAM) ? false : 'no shared folder beside the project',
}, () => {
  const read = (folder: URL) => readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]);
  assert.deepEqual(read(OWN).sort(), read(TEAM).sort());
});
