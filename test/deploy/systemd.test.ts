import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const UNITS = ['vaultplane-cp', 'vaultplane-dp'];
/** Of 10: the network, which both programs must have, and what Node.js compiles while it runs are what is left. */
const MOST_EXPOSURE = 1.5;
const analyze = (...args: string[]) => spawnSync('systemd-analyze', ['--no-pager', ...args], { encoding: 'utf8' });
// --offline came with systemd 250.
const release = Number(/systemd (\d+)/.exec(analyze('--version').stdout ?? '')?.[1] ?? 0);
const leftOut = release >= 250 ? false : 'systemd-analyze of systemd 250 or later is missing';

describe('the systemd units', { skip: leftOut }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-systemd-'));
  before(() => {
    for (const unit of UNITS) {
      // The program's path is checked too: the clone's own stands in for the installed one.
      const text = readFileSync(join(FOLDER, `${unit}.service`), 'utf8').replaceAll('/opt/vaultplane/', ROOT);
      writeFileSync(join(folder, `${unit}.service`), text);
      mkdirSync(join(folder, `${unit}.service.d`));
      for (const name of ['sandbox.conf', 'certificate.conf']) {
        cpSync(join(FOLDER, name), join(folder, `${unit}.service.d/${name}`));
      }
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const unit of UNITS) {
    it(`${unit} is what systemd takes, without a warning`, () => {
      const { status, stderr } = analyze('verify', '--man=no', join(folder, `${unit}.service`));
      assert.equal(
        stderr
          .split('\n')
          .filter((line) => line.includes('vaultplane'))
          .join('\n'),
        '',
      );
      assert.equal(status, 0, stderr);
    });

    it(`${unit} is exposed by at most ${MOST_EXPOSURE} of 10`, () => {
      const { stdout, stderr } = analyze('security', '--offline=true', join(folder, `${unit}.service`));
      const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
      assert.ok(exposure <= MOST_EXPOSURE, `${exposure}\n${stdout}${stderr}`);
    });

    it(`${unit} gets its settings, and a certificate in files, as credentials`, () => {
      const text = ['certificate.conf', `${unit}.service`]
        .map((name) => readFileSync(join(FOLDER, name), 'utf8'))
        .join('\n');
      for (const name of ['vaultplane.conf', 'cluster.crt', 'cluster.key']) {
        assert.match(text, new RegExp(`^LoadCredential=${name.replace('.', '\\.')}:`, 'm'));
      }
    });
  }
});
