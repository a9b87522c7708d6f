import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { ApiBench } from './testing/api-bench.ts';

/** Looks like a token, which must not be shown. */
const SECRET = 'Zq8vT3xKp0LmN5rWy2Bd';
const REFERENCE = encodeURIComponent('{vault://sm/db}');

/** Each with all its right names. */
const POSTS: Array<[path: string, body: Record<string, unknown>]> = [
  ['/v1/resolve', { references: ['{vault://sm/db}'], refresh: false }],
  ['/v1/refresh', { of: 'sm' }],
  ['/v1/drill', { outage: 'cp-outage', for_s: 1, strict: false }],
];
const GETS: Array<[path: string, known: string[]]> = [
  [`/v1/resolve?ref=${REFERENCE}`, ['refresh', 'raw']],
  [`/v1/watch?ref=${REFERENCE}`, ['ref']],
  ['/secretsmanager/get?secretId=s', ['secretId', 'versionId', 'versionStage', 'refreshNow', 'roleArn', 'vault']],
  ['/v1/s?vault=sm', ['versionId', 'versionStage', 'refreshNow', 'roleArn', 'vault']],
];

/** Without its last letter. */
function misspelt(name: string): string {
  return name.slice(0, -1);
}

describe('a name that there is not', () => {
  const folder = temporaryFolder();
  let bench: ApiBench;
  before(async () => {
    bench = await ApiBench.start({ folder });
    bench.vault.set('db', { value: 'v', id: 'one' });
    bench.configure({ sm: { ttl: 3600 } });
  });
  after(() => bench.stop());

  for (const [path, known] of GETS) {
    for (const name of known) {
      it(`is refused in the query of ${path.split('?')[0]}: ${misspelt(name)}`, async () => {
        const { status, text } = await bench.call(`${path}&${misspelt(name)}=${SECRET}`);
        assert.equal(status, 400);
        assert.ok(text.includes(misspelt(name)) && text.includes(`; did you mean ${name}?`), text);
        assert.ok(!text.includes(SECRET), text);
      });
    }
    it(`is not shown where it is a secret, by ${path.split('?')[0]}`, async () => {
      const { status, text } = await bench.call(`${path}&${SECRET}=1`);
      assert.equal(status, 400);
      assert.ok(text.includes('(not shown)') && !text.includes(SECRET), text);
    });
  }

  for (const [path, body] of POSTS) {
    for (const [name, value] of Object.entries(body)) {
      it(`is refused in the body of ${path}: ${misspelt(name)}`, async () => {
        const { [name]: _, ...others } = body;
        const { status, text } = await bench.call(path, {
          method: 'POST',
          body: { ...others, [misspelt(name)]: value },
        });
        assert.equal(status, 400);
        assert.ok(text.includes(`unknown member, ${misspelt(name)}; did you mean ${name}?`), text);
      });
    }
    it(`is refused in the query of ${path}, which takes none`, async () => {
      const { status, text } = await bench.call(`${path}?refresh=true`, { method: 'POST', body });
      assert.equal(status, 400);
      assert.ok(text.includes('unknown parameter, refresh; there are no parameters here'), text);
    });
  }
});
