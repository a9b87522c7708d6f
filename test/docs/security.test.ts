import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(fileURLToPath(new URL(path, ROOT)), 'utf8');

it('each row of security.md names a test that is there', () => {
  const rows = read('docs/explanation/security.md')
    .split('\n')
    .filter((line) => /^\| (?!attack )[^-]/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  assert.ok(rows.length > 40, `${rows.length} rows`);
  for (const [, attack, stops, shown = ''] of rows) {
    assert.ok(attack && stops);
    const [, file, name] = /^`([\w/.-]+\.test\.ts)`: "([^"]+)"$/.exec(shown) ?? [];
    assert.ok(file !== undefined && name !== undefined, `${attack}: ${shown}`);
    assert.ok(existsSync(new URL(file, ROOT)), `${attack}: ${file} is not there`);
    // A name in code may be escaped, or quoted otherwise.
    const code = read(file).replaceAll("\\'", "'");
    assert.ok(code.includes(name), `${attack}: ${file} has no test "${name}"`);
  }
});
