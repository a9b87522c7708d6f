import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { SETTING_KEYS } from '@vaultplane/model/settings/setting-keys.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { cleanEnv } from '../e2e/deployment.ts';
import { filesIn, type Program, type Report } from './canaries/scene.ts';
import { canaries } from './canaries/shapes.ts';
import { sourcesOfPrograms, variablesRead } from './canaries/variables.ts';

/** In a network namespace of its own no canary that is taken for a host's name is asked of a name server. */
const ALONE = ['-rn', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"'];
const namespaces = spawnSync('unshare', [...ALONE, 'true']).status === 0;
const skip = noCertificates || (namespaces ? false : 'no network namespace can be made here');
const TIMEOUT_MS = 600_000;

const SCHEMAS = { 'data plane': DATA_PLANE_SETTINGS, 'control plane': CONTROL_PLANE_SETTINGS };
/** With most canaries a program starts if they are in these. */
const HARMLESS = ['vault_hcv_kube_api_token_file', 'vault_hcv_ca_cert', 'vault_hcv_approle_secret_id_file'];

it('every error about a file names it by the function that hides what is no path', () => {
  const wrong = sourcesOfPrograms().flatMap(({ file, text }) => {
    const named =
      text.match(
        /\$\{(?!shown|fileError)[^}]*(?:path|file|dir)[^}]*\} (?:can't be (?!started)|is no|must hold|holds no|is damaged).*/gi,
      ) ?? [];
    return named.map((line) => `${file}: ${line}`);
  });
  assert.deepEqual(wrong, []);
});

describe('no setting and no variable is repeated by an error, a log, an answer or a file', {
  skip,
  concurrency: 2,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-canaries-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  before(() => {
    const { cert, key } = makeCertificate(folder, 'cluster');
    const files = filesIn(folder);
    writeFileSync(files.certFile, cert);
    writeFileSync(files.keyFile, key);
    writeFileSync(files.secretsKeyFile, `${'0a'.repeat(32)}\n`, { mode: 0o600 });
  });

  async function run(script: string, program: Program): Promise<Report> {
    const command = [...ALONE, process.execPath, join(import.meta.dirname, 'canaries', script), program];
    const options = { cwd: folder, env: cleanEnv(), maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await promisify(execFile)('unshare', command, options);
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Report;
  }

  it('all of both programs are tried', () => {
    const tried = Object.values(SCHEMAS).flatMap((schema) => Object.keys(schema));
    const aliases = Object.values(SCHEMAS).flatMap((schema) =>
      Object.values(schema as Record<string, { aliases?: readonly string[] }>).flatMap(({ aliases = [] }) => aliases),
    );
    assert.deepEqual(
      [...SETTING_KEYS].filter((key) => !tried.includes(key) && !aliases.includes(key)),
      [],
    );
    const known = ['AWS_SESSION_TOKEN', 'GOOGLE_APPLICATION_CREDENTIALS', 'GCP_SERVICE_ACCOUNT', 'AWS_TOKEN'];
    for (const name of known) assert.ok(variablesRead().includes(name), name);
  });

  for (const [program, schema] of Object.entries(SCHEMAS) as Array<[Program, object]>) {
    const settings = Object.keys(schema).length;

    it(`of the ${program}: in any shape that a secret has, and as a reference`, { timeout: TIMEOUT_MS }, async () => {
      const { starts, ran, leaks } = await run('sweep.ts', program);
      assert.deepEqual(leaks, []);
      assert.ok(starts > settings * canaries().length, String(starts));
      for (const key of HARMLESS) assert.ok(ran.includes(key), key);
    });

    it(`of the ${program} as a process`, { timeout: TIMEOUT_MS }, async () => {
      const { starts, ran, leaks } = await run('processes.ts', program);
      assert.deepEqual(leaks, []);
      assert.ok(starts > settings, String(starts));
      for (const key of HARMLESS) assert.ok(ran.includes(key), key);
    });
  }
});
