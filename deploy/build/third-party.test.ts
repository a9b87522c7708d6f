import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Metafile } from 'esbuild';
import { BuildError } from './artefact.ts';
import { ROOT } from './places.ts';
import { noticesText, thirdParty } from './third-party.ts';

describe('the licences of what is bundled', () => {
  const cache = join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'licences-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What esbuild says of a bundle that has one file of a package. */
  function bundleOf(name: string, manifest: object, files: Record<string, string> = {}): Metafile {
    const home = join(folder, 'node_modules', name);
    mkdirSync(home, { recursive: true });
    const all = { 'package.json': JSON.stringify({ name, version: '1.0.0', ...manifest }), ...files };
    for (const [file, text] of Object.entries(all)) writeFileSync(join(home, file), text);
    const input = { [relative(ROOT, join(home, 'lib/index.js'))]: { bytesInOutput: 1 } };
    return { inputs: {}, outputs: { 'a.js': { bytes: 1, inputs: input, imports: [], exports: [] } } };
  }

  it('stand in the notices with all that a package says of them', () => {
    const files = { 'LICENSE.md': 'You may.', 'NOTICE.txt': 'By somebody.', 'index.js': '' };
    const text = noticesText(thirdParty([bundleOf('@some/package', { license: 'MIT' }, files)]));
    assert.match(text, /\n@some\/package 1\.0\.0 \(MIT\)\n\nYou may\.\n\nBy somebody\.\n/);
  });

  it('are found in a README', () => {
    const readme = '# It\n\n## License\n\nPermission is hereby granted to all.\n';
    const text = noticesText(thirdParty([bundleOf('of-a-readme', { license: 'MIT' }, { 'README.md': readme })]));
    assert.match(text, /Permission is hereby granted to all\./);
  });

  it('are demanded: a package without one, or with one that is not allowed, is not bundled', () => {
    for (const [name, manifest, expected] of [
      ['of-no-licence', {}, /has the licence none, which is not among those allowed/],
      ['of-another', { license: 'GPL-3.0-only' }, /has the licence GPL-3\.0-only, which/],
      ['of-no-text', { license: 'MIT' }, /^of-no-text 1\.0\.0 \(MIT\) has no text of its licence/],
    ] as const) {
      assert.throws(
        () => thirdParty([bundleOf(name, manifest)]),
        (error: Error) => error instanceof BuildError && expected.test(error.message),
        name,
      );
    }
  });
});
