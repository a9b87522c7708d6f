import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { quoted, Specification } from '../docs/specification.ts';
import { type ControlPlane, type DataPlane, Deployment } from './deployment.ts';
import { ENROLLED, invite, joinBy, planJoiner } from './enrolled.ts';

const specification = new Specification();
/** Files without anything secret. */
const PUBLIC = ['cluster.crt', 'control-plane.pub'];

describe('running programs are as docs/reference/specification.md says', () => {
  for (const mtls of ['shared', 'enrolled'] as const) {
    it(`files of data_dir and members of /status, with cluster_mtls = ${mtls}`, async (t) => {
      const { controlPlane, dataPlane } = await (mtls === 'shared' ? shared(t) : enrolled(t));
      const answer = await dataPlane.resolve('{vault://aws/app/password}');
      assert.equal(answer.value, 'bar');
      const [, example] = /```json\n(.*?)```/s.exec(specification.section('6.2'))!;
      const { encoding, ...members } = JSON.parse(example!);
      assert.equal(encoding, 'base64');
      assert.deepEqual(Object.keys(answer), Object.keys(members));
      await dataPlane.until(() => filesOf(dataPlane).includes('secrets.cache'));

      for (const [program, { statusUrl, dataDir }] of [
        ['control plane', controlPlane],
        ['data plane', dataPlane],
      ] as const) {
        const named = namedFiles(program);
        assert.equal(modeOf(dataDir), 0o700);
        for (const file of readdirSync(dataDir)) {
          assert.ok(named.includes(nameOf(file)), `${program}: ${file}`);
          // Nobody else gets into the folder; its files are closed too, wherever they may be copied.
          const mode = PUBLIC.includes(file) ? 0o644 : 0o600;
          if (!file.endsWith('.lock') && file !== 'db') assert.equal(modeOf(join(dataDir, file)), mode, file);
        }
        const facts = (await (await fetch(`${statusUrl}/status`)).json()) as { program: string };
        const [, members] = specification.rows('7.1').find(([name]) => name === `\`${facts.program}\``)!;
        assert.deepEqual(Object.keys(facts).sort(), quoted(members!).sort());
      }
      const found = [...filesOf(controlPlane), ...filesOf(dataPlane)];
      const usual = ['node-id', 'db', 'db.lock', 'config.snapshot', 'settings.cache', 'secrets.cache', 'api-token'];
      const own = {
        shared: ['cluster.crt', 'cluster.key', 'control-plane.pub', 'export.key'],
        enrolled: ['identity.pem', 'keyring.key', 'admin-token'],
      };
      for (const file of [...usual, 'data-plane.lock', ...own[mtls]]) assert.ok(found.includes(file), file);
    });
  }
});

async function shared(t: TestContext) {
  const { deployment, emulator } = await stage(t);
  const controlPlane = await deployment.planControlPlane('cp');
  await controlPlane.start();
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, environment(deployment, emulator));
  await dataPlane.start();
  return { controlPlane, dataPlane };
}

async function enrolled(t: TestContext) {
  const { deployment, emulator } = await stage(t);
  const controlPlane = await deployment.planControlPlane('cp', { ...ENROLLED, VAULTPLANE_ADMIN_TOKEN: 'auto' });
  await controlPlane.start();
  const dataPlane = await planJoiner(deployment, 'dp', controlPlane, environment(deployment, emulator));
  const joined = await joinBy(await invite(controlPlane), dataPlane);
  assert.equal(joined.status, 0, joined.stderr);
  await dataPlane.start();
  return { controlPlane, dataPlane };
}

async function stage(t: TestContext): Promise<{ deployment: Deployment; emulator: Emulator }> {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const emulator = await startEmulator();
  t.after(() => emulator.stop());
  emulator.putSecret('us-east-1', 'app', { password: 'bar', level: 'warn' });
  return { deployment, emulator };
}

/** Of a data plane that keeps all on disk that it may. */
function environment({ folder }: Deployment, emulator: Emulator): NodeJS.ProcessEnv {
  const key = join(folder, 'secrets.key');
  writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
  return {
    ...emulator.environment,
    VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
    VAULTPLANE_SECRETS_PERSIST: 'on',
    VAULTPLANE_SECRETS_KEY_FILE: key,
    VAULTPLANE_LOG_LEVEL: '{vault://aws/app/level}',
  };
}

/** In data_dir. */
function filesOf({ dataDir }: Pick<ControlPlane | DataPlane, 'dataDir'>): string[] {
  return readdirSync(dataDir).map(nameOf);
}

/** The name that the specification has for a file, and for all journals. */
function nameOf(file: string): string {
  return file.replace(/^(secrets\.journal)-\d+$/, '$1-N');
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

function namedFiles(program: 'control plane' | 'data plane'): string[] {
  const rows = specification.rows('9').filter(([, of]) => of === program || of === 'both');
  return rows.flatMap(([names]) => quoted(names!));
}
