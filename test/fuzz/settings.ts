import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDataPlaneSettings } from '@vaultplane/data-plane/settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';

const CANARY = 'c4n4ry';
const word = fc.oneof(
  fc.constantFrom(
    ...Object.keys(DATA_PLANE_SETTINGS),
    '#',
    '=',
    ' ',
    '\\#',
    '[::1]:80',
    '127.0.0.1:99999',
    '-1',
    '1e3',
  ),
  fc.constantFrom('on', 'off', 'https://x', 'system,/x', '\t', '\ufeff', '{vault://env/x}', '__proto__', 'pg_hots'),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const line = fc.oneof(
  fc.array(word, { maxLength: 5 }).map((words) => words.join('')),
  fc.tuple(fc.constantFrom(...Object.keys(DATA_PLANE_SETTINGS)), word).map(([key, value]) => `${key} = ${value}`),
  word.map((word) => `cluster_use_proxy = ${word}`),
  word.map((user) => `proxy_server = http://${user}:${CANARY}@proxy`),
);
const file = fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n'));

/** Any settings file is read, or refused in one line that shows no secret. */
export const settings: FuzzTarget = {
  name: 'settings',
  inputs: 'files',
  usual: 50_000,
  slice: 500,
  async attempt(seed, count) {
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-fuzz-'));
    const confFile = join(folder, 'vaultplane.conf');
    const property = fc.asyncProperty(file, async (text) => {
      writeFileSync(confFile, text);
      try {
        await loadDataPlaneSettings({ confFile, env: {}, resolveReference: () => async () => 'x' });
      } catch (error) {
        assert.ok(error instanceof StartError, `no StartError: ${error}`);
        assert.ok(!error.message.includes(CANARY), 'a password is shown');
      }
    });
    try {
      const outcome = await fc.check(property, { seed, numRuns: count });
      return outcome.failed ? `${fc.stringify(outcome.counterexample?.[0])}: ${outcome.errorInstance}` : undefined;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
