import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from '../interop/command.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, '.github/workflows');
const workflows = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }));

describe('the workflows of GitHub', () => {
  it('are right, as actionlint says', { skip: missing('actionlint', '-version') }, () => {
    const { status, stdout, stderr } = spawnSync('actionlint', [], { cwd: ROOT, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  });

  it('use actions by the hash of a commit, with the version that it is beside it', () => {
    let used = 0;
    for (const { name, text } of workflows) {
      for (const [, action] of text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)) {
        used++;
        if (action!.startsWith('./')) continue;
        assert.match(action!, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${name}: ${action}`);
      }
    }
    assert.ok(used > 5);
  });

  it('have rights that each job asks for, and no text of a pull request in a shell', () => {
    for (const { name, text } of workflows) {
      assert.match(text, /^permissions:\n {2}contents: read$/m, name);
      assert.doesNotMatch(text, /pull_request_target|secrets\./, name);
      for (const [script] of text.matchAll(/^ +(?:- )?run: (?:\|\n(?: {10,}.*\n)+|.*)/gm)) {
        assert.doesNotMatch(script, /\$\{\{/, `${name}: ${script}`);
      }
    }
  });

  it('run only what package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
    for (const { name, text } of workflows) {
      for (const [, script] of text.matchAll(/npm run (?:--silent )?([\w-]+)/g))
        assert.ok(script! in scripts, `${name}: ${script}`);
    }
  });
});
