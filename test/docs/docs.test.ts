import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
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
  // The log's page is made anew with each release: a message may be put better without ado.
  const { 'log.md': _, ...held } = referencePages();
  for (const [name, text] of Object.entries(held)) {
    it(`have a reference that is current: ${name}`, () => {
      const hint = 'run: node test/docs/write-reference.ts';
      assert.equal(readFileSync(join(DOCS, 'reference', name), 'utf8'), text, hint);
    });
  }

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
