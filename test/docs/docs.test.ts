import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { logCallsOf } from './log-events.ts';
import { referencePages } from './reference.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCS = join(ROOT, 'docs');
const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => join(DOCS, name));

/** As a heading's link is made from its text. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

function assertLeads(from: string, link: string): void {
  const [path, anchor] = link.split('#') as [string, string?];
  const target = path === '' ? from : resolve(dirname(from), path);
  assert.ok(existsSync(target), `${from}: ${link}`);
  if (anchor) assert.ok(anchorsOf(readFileSync(target, 'utf8')).includes(anchor), `${from}: ${link}`);
}

describe('the documents', () => {
  for (const [name, text] of Object.entries(referencePages())) {
    it(`have a reference that is current: ${name}`, () => {
      const hint = 'run: node test/docs/write-reference.ts';
      assert.equal(readFileSync(join(DOCS, 'reference', name), 'utf8'), text, hint);
    });
  }

  it('know every event of the log: a message is constant, and none is overlooked', () => {
    const messages = (source: string) => logCallsOf(source, 'x.ts').flatMap((call) => call.messages);
    assert.deepEqual(messages("log.info({ a: f(`(, ')`) }, 'one; more');"), ['one; more']);
    assert.deepEqual(messages("const M = 'two';\nthis.#log.warn({ ...x, y: [1, 2] }, M);"), ['two']);
    assert.deepEqual(messages("log.error({}, isSo ? 'it\\'s so' : \"it isn't\");"), ["it's so", "it isn't"]);
    const dynamic = "const level = x === y ? 'debug' : 'warn';\nlog[level]({}, 'three');";
    assert.deepEqual(logCallsOf(dynamic, 'x.ts'), [{ levels: ['debug', 'warn'], messages: ['three'] }]);
    assert.throws(() => messages('log.info({}, `four`);'), /x\.ts:1: .* is no constant text/);
    assert.throws(() => messages('\nlog.info({}, text);'), /x\.ts:2/);
  });

  it('link to what is there', () => {
    for (const page of pages) {
      for (const [, link] of readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) assertLeads(page, link!);
    }
  });

  it('have the runbook of every alert', () => {
    const alerts = readFileSync(join(ROOT, 'deploy/prometheus/alerts.yaml'), 'utf8');
    const runbooks = [...alerts.matchAll(/runbook: (\S+)/g)].map(([, link]) => link!);
    assert.equal(runbooks.length, (alerts.match(/- alert:/g) ?? []).length);
    for (const link of runbooks) assertLeads(join(ROOT, 'README.md'), link);
  });

  it('name no metric, setting or command that is not there', () => {
    const known = Object.values(referencePages()).join('\n');
    for (const page of pages) {
      for (const [name] of readFileSync(page, 'utf8').matchAll(/\bvaultplane_[a-z0-9_]+\b/g)) {
        if (!/^vaultplane_(nodejs|process)_/.test(name)) assert.ok(known.includes(`\`${name}\``), `${page}: ${name}`);
      }
    }
  });
});
