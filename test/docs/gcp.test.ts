import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type GcpEmulator, MACHINE_ACCOUNT, startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, DATA_PLANE_MAIN, Deployment } from '../e2e/deployment.ts';
import { tableRows } from './table-rows.ts';

const PAGE = 'how-to/gcp.md';
const REFERENCE = '{vault://gcp/db/password}';
const PROJECTS = ['emulator-project', 'shop-project'];

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

describe("what the guide to Google's secrets says becomes of", () => {
  const deployment = new Deployment();
  let controlPlane: ControlPlane;
  let emulator: GcpEmulator;
  before(async () => {
    emulator = await startGcpEmulator();
    const grants = PROJECTS.map((project) => ({ role: 'secretAccessor', project }));
    emulator.addPrincipal({ email: MACHINE_ACCOUNT, grants });
    for (const project of PROJECTS) {
      emulator.putSecret('db', { password: 'old' }, { project });
      emulator.putSecret('db', { password: `of ${project}`, deep: { member: 'deep' } }, { project });
      emulator.setVersionState('db', 1, 'DISABLED', project);
    }
    controlPlane = await deployment.planControlPlane('cp', {});
    await controlPlane.start();
  });
  after(async () => {
    await emulator.stop();
    await deployment.stop();
  });

  const run = async (main: string, args: string[], env: NodeJS.ProcessEnv): Promise<Run> => {
    const ran = await promisify(execFile)(process.execPath, [main, ...args], { env }).catch((failed) => failed);
    return { code: ran.code ?? 0, stdout: ran.stdout, stderr: ran.stderr };
  };
  /** Looks a reference up with no data plane running, on a machine of Google's unless the environment says otherwise. */
  const get = (reference: string, env: NodeJS.ProcessEnv = {}, conf = ''): Promise<Run> => {
    const file = join(deployment.folder, 'vaultplane.conf');
    writeFileSync(file, `${conf}\n`);
    return run(DATA_PLANE_MAIN, ['get', '--conf', file, reference], {
      PATH: process.env.PATH,
      HOME: deployment.folder,
      VAULTPLANE_DATA_DIR: join(deployment.folder, 'alone'),
      VAULTPLANE_API_LISTEN: '127.0.0.1:0',
      VAULTPLANE_VAULT_GCP_ENDPOINT_URL: emulator.url,
      GCE_METADATA_HOST: emulator.metadataHost,
      ...env,
    });
  };
  /** Refused in one line that says so, with nothing printed in the place of the value. */
  const assertRefused = ({ code, stdout, stderr }: Run, text: string, told: RegExp) => {
    assert.deepEqual([code !== 0, stdout], [true, ''], text);
    assert.match(stderr.trim().split('\n').at(-1)!, told, text);
  };

  it("a vault's members, is so", async () => {
    const rows = tableRows(PAGE, "a gcp vault's config", ['taken with a warning', 'taken', 'refused']);
    assert.ok(rows.length >= 16);
    const file = join(deployment.folder, 'kong.yaml');
    for (const { text, outcome } of rows) {
      writeFileSync(file, `_format_version: "3.0"\nvaults: [{name: gcp, prefix: my-gcp, config: ${text}}]\n`);
      const { code, stdout, stderr } = await run(CONTROL_PLANE_MAIN, ['config', 'apply', file], controlPlane.env);
      if (outcome === 'refused') assertRefused({ code, stdout, stderr }, text, /config\.[a-z_]+/);
      else assert.equal(code, 0, `${text}: ${stderr}`);
      const warned = (stdout + stderr).includes('only global ones are read');
      assert.equal(warned, outcome === 'taken with a warning', `${text}: ${stdout}${stderr}`);
    }
  });

  it('settings, is so', async () => {
    const rows = tableRows(PAGE, 'a setting', ['taken', 'warned of, and not used', 'not used', 'refused']);
    assert.ok(rows.length >= 12);
    for (const { text, outcome } of rows) {
      const [, variable, value] = /^([A-Z_]+)=(.*)$/.exec(text) ?? [];
      const answer = variable ? await get(REFERENCE, { [variable]: value }) : await get(REFERENCE, {}, text);
      if (outcome === 'refused') {
        assertRefused(answer, text, /vaultplane\.conf:1: .*(is not allowed|unknown key)/);
        continue;
      }
      const isUsed = outcome === 'taken' && text.includes('shop-project');
      const { stdout, stderr } = answer;
      assert.equal(stdout, `of ${isUsed ? 'shop-project' : 'emulator-project'}`, `${text}: ${stderr}`);
      assert.equal(/is no setting, and is ignored/.test(stderr), outcome === 'warned of, and not used', text);
    }
  });

  it('references, is so', async () => {
    const rows = tableRows(PAGE, 'a reference', ['taken', 'not there', 'refused']);
    assert.ok(rows.length >= 13);
    for (const { text, outcome } of rows) {
      const answer = await get(text);
      if (outcome !== 'taken') {
        assertRefused(answer, text, outcome === 'refused' ? /invalid_(reference|option): / : /not_found: /);
        continue;
      }
      const project = text.includes('project_id') ? 'shop-project' : 'emulator-project';
      const expected = text.includes('deep') ? 'deep' : `of ${project}`;
      assert.equal(answer.code, 0, `${text}: ${answer.stderr}`);
      assert.ok(answer.stdout.includes(expected), `${text}: ${answer.stdout}`);
      assert.equal(answer.stdout.startsWith('{'), text === '{vault://gcp/db}', text);
    }
  });

  it('credentials, is so', async () => {
    const rows = tableRows(PAGE, 'credentials', ['taken', 'not used', 'refused']);
    assert.ok(rows.length >= 13);
    const complete: Record<string, object> = {
      service_account: emulator.createKey(MACHINE_ACCOUNT),
      authorized_user: {
        ...emulator.createUser(MACHINE_ACCOUNT),
        quota_project_id: 'shop-project',
        token_uri: emulator.tokenUri,
      },
    };
    /** The text, with the members that the page leaves out. */
    const completed = (text: string) =>
      text.replace(/\{"type": "(\w+)", …\}/, (_, type) => JSON.stringify(complete[type]));
    const file = join(deployment.folder, 'credentials.json');
    for (const { text, before, outcome } of rows) {
      const [, name = '', value = ''] = /^([A-Z_]+)=(.*)$/.exec(text) ?? [];
      assert.equal(before, name ? '' : 'a file with', text);
      if (!name) writeFileSync(file, completed(text));
      const env = name ? { [name]: completed(value) } : { GOOGLE_APPLICATION_CREDENTIALS: file };
      const askedBefore = emulator.calls({ service: 'metadata' }).length;
      const answer = await get(REFERENCE, env);
      const asked = emulator.calls({ service: 'metadata' }).length > askedBefore;
      assert.equal(asked, outcome === 'not used', text);
      if (outcome === 'refused') {
        const source = name.replace(/^(METADATA|GCE)_.*/, 'metadata server') || 'GOOGLE_APPLICATION_CREDENTIALS';
        assertRefused(answer, text, new RegExp(`unavailable: no Google credentials: .*${source}: `));
        const [, type] = /"type": "(\w+)"/.exec(text) ?? [];
        if (type && !(type in complete)) assert.ok(answer.stderr.includes(type), text);
      } else {
        const project = text.includes('authorized_user') ? 'shop-project' : 'emulator-project';
        assert.equal(answer.stdout, `of ${project}`, `${text}: ${answer.stderr}`);
      }
    }
  });
});
