import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { CONTROL_PLANE_MAIN, type ControlPlane, Deployment } from '../e2e/deployment.ts';
import { tableRows } from './table-rows.ts';

const OUTCOMES = ['taken', 'named, and not used', 'refused'] as const;
const rowsOf = (heading: string) => tableRows('how-to/migrate.md', heading, OUTCOMES);

describe('what the guide to migrate says becomes of', () => {
  const deployment = new Deployment();
  let controlPlane: ControlPlane;
  before(async () => {
    controlPlane = await deployment.planControlPlane('cp', {});
    await controlPlane.start();
  });
  after(() => deployment.stop());

  const run = async (args: string[]) => {
    const env = { ...controlPlane.env, DECK_REGION: 'us-east-1' };
    const {
      code = 0,
      stdout,
      stderr,
    } = await promisify(execFile)(process.execPath, [CONTROL_PLANE_MAIN, ...args], {
      env,
    }).catch((failed) => failed);
    return { code, stdout, stderr };
  };

  it('members of a file, is so', async () => {
    const rows = rowsOf('in the file');
    assert.ok(rows.length > 15);
    const file = join(deployment.folder, 'kong.yaml');
    for (const { text, outcome } of rows) {
      const member = text.split(':')[0]!;
      const document = [
        member === '_format_version' ? '' : '_format_version: "3.0"',
        member === 'vaults' ? '' : 'vaults: [{name: env, prefix: my-env}]',
        text,
      ];
      writeFileSync(file, document.join('\n'));
      const { code, stdout, stderr } = await run(['config', 'diff', file]);
      if (outcome === 'refused') assert.deepEqual([code, stdout], [2, ''], text);
      else {
        assert.equal(code, 1, `${text}: ${stderr}`);
        assert.match(stdout, /1 to create, 0 to update, 0 to delete/, text);
        assert.equal(stdout.includes('not used'), outcome === 'named, and not used', `${text}: ${stdout}`);
      }
    }
  });

  it('lines of a kong.conf, is so', async () => {
    const rows = rowsOf('line');
    assert.ok(rows.length >= 6);
    const file = join(deployment.folder, 'kong.conf');
    for (const { text, outcome } of rows) {
      writeFileSync(file, `${text}\n`);
      const { code, stderr } = await run(['migrate', '--status', '--conf', file]);
      const [key] = text.split(' ');
      assert.equal(
        /is no setting|unknown|is not allowed|needs cluster_fallback/.test(stderr) && code !== 0,
        outcome === 'refused',
        `${text}: ${stderr}`,
      );
      assert.equal(
        new RegExp(`mean nothing here are ignored: ${key}`).test(stderr),
        outcome === 'named, and not used',
        `${text}: ${stderr}`,
      );
    }
  });
});
