import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Program } from '@vaultplane/local/program.ts';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { checkCommand } from './check-command.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, type DataPlane, Deployment } from './deployment.ts';

const DOMAIN = 'east.example.com';

describe('cluster_mtls = pki_check_cn', { skip: noCertificates }, () => {
  const deployment = new Deployment();
  let ca: TestCertificate;

  before(() => {
    ca = makeCertificate(deployment.folder, 'ca');
  });
  after(() => deployment.stop());

  /** A certificate of the CA; a control plane's is for this machine. */
  const certificate = (commonName: string, names: string[] = []) =>
    makeCertificate(deployment.folder, commonName, { ca, names, extensions: ['basicConstraints=CA:false'] });
  const controlPlaneCertificate = (commonName: string) => certificate(commonName, ['127.0.0.1']);
  const env = ({ certFile, keyFile }: TestCertificate, more: Record<string, string> = {}) => ({
    VAULTPLANE_CLUSTER_MTLS: 'pki_check_cn',
    VAULTPLANE_CLUSTER_CA_CERT: ca.certFile,
    VAULTPLANE_CLUSTER_CERT: certFile,
    VAULTPLANE_CLUSTER_CERT_KEY: keyFile,
    ...more,
  });
  const list = (names: string) => ({ KONG_CLUSTER_ALLOWED_COMMON_NAMES: names });

  let made = 0;
  async function controlPlane(own: TestCertificate, more: Record<string, string> = {}) {
    const plan = await deployment.planControlPlane(`cp-${made++}`, env(own, more));
    return { plan, program: await plan.start() };
  }
  async function dataPlane(of: ControlPlane, own: TestCertificate, more: Record<string, string> = {}) {
    const plan = await deployment.planDataPlane(`dp-${made++}`, of, env(own, more));
    return { plan, program: await plan.startUnready() };
  }
  const linked = ({ plan }: { plan: DataPlane }) => plan.until(({ control_plane }) => control_plane.connected);
  const lastError = async (plan: DataPlane) =>
    ((await plan.status()) as unknown as { control_plane: { last_error: string | null } }).control_plane.last_error ??
    '';

  /** What both sides say, in their logs and in the data plane's status, is the same and says what to do. */
  async function assertRefused({ plan, program }: { plan: DataPlane; program: Program }, by: Program, reason: RegExp) {
    await until(`it is told ${reason}`, async () => reason.test(await lastError(plan)));
    assert.match(await lastError(plan), /the control plane refuses this data plane: /);
    for (const { output } of [program, by]) {
      const line = output.split('\n').find((text) => reason.test(text.replaceAll('\\"', '"')));
      assert.match(
        line ?? output,
        /set it in the control plane's cluster_allowed_common_names, or give the data plane/,
      );
    }
  }

  it('lets in whose common name is in the list, which only the control plane reads', async () => {
    // Names of data planes alone, as in Kong: a data plane with the same settings does not look for its control plane there.
    const names = list(`dp-1.${DOMAIN}, machine-7`);
    const { plan, program } = await controlPlane(controlPlaneCertificate('cp'), names);
    for (const name of [`dp-1.${DOMAIN}`, 'machine-7']) {
      const one = await dataPlane(plan, certificate(name), names);
      await linked(one);
      await one.program.stop();
    }
    // In the domain of one that is listed, and by its other names: neither counts.
    const stranger = await dataPlane(plan, certificate(`dp-2.${DOMAIN}`, [`dp-1.${DOMAIN}`]));
    await assertRefused(stranger, program, /"dp-2\.east\.example\.com" is not in cluster_allowed_common_names/);
    await stranger.program.stop();
  });

  it("without a list lets in who is directly below its own certificate's domain, also after a renewal", async () => {
    const own = controlPlaneCertificate(`CP.${DOMAIN}`);
    const { plan, program } = await controlPlane(own);
    const inside = await dataPlane(plan, certificate('dp-1.East.Example.com'));
    await linked(inside);
    for (const [name, ...others] of [
      ['dp-1.west.example.com', `dp-1.${DOMAIN}`],
      [`dp-1.deeper.${DOMAIN}`],
      [DOMAIN],
      ['machine-7'],
    ] as const) {
      const outside = await dataPlane(plan, certificate(name, others as string[]));
      await assertRefused(outside, program, new RegExp(`"${name}" is not directly below "${DOMAIN}", the domain of`));
      await outside.program.stop();
    }

    // One that has no domain is not taken into use; one of another domain is, and judges the links that are there.
    const renew = (by: TestCertificate) => {
      copyFileSync(by.certFile, own.certFile);
      copyFileSync(by.keyFile, own.keyFile);
      program.send('SIGHUP');
    };
    renew(controlPlaneCertificate('cp'));
    await until('its renewal is refused', () => /whose common name is in a domain.*stays in use/.test(program.output));
    assert.ok((await inside.plan.status()).control_plane.connected);
    renew(controlPlaneCertificate('cp.west.example.com'));
    await assertRefused(inside, program, /"dp-1\.East\.Example\.com" is not directly below "west\.example\.com"/);
    await linked(await dataPlane(plan, certificate('dp-3.west.example.com')));
  });

  it('is refused at the start, and by check, where there is neither a list nor a domain', async () => {
    const without = await deployment.planControlPlane('cp-without', env(controlPlaneCertificate('cp')));
    for (const command of ['check', 'start']) {
      const { code, stdout, stderr } = await run([command], without.env);
      assert.notEqual(code, 0, command);
      assert.match(
        stdout + stderr,
        /cluster_mtls = pki_check_cn needs cluster_allowed_common_names, or a cluster_cert whose common name is in a domain, such as cp\.example\.com: that of \/.*\.crt is "cp"/,
      );
    }
    const { VAULTPLANE_CLUSTER_CA_CERT: _, ...noCa } = without.env;
    assert.match((await run(['check'], noCa)).stderr, /cluster_mtls = pki_check_cn needs cluster_ca_cert/);
    const withList = { ...without.env, ...list('dp-1') };
    assert.deepEqual((await run(['check'], withList)).code, 0);

    const plan = await deployment.planDataPlane('dp-checked', without, env(certificate('dp-1')));
    assert.match((await checkCommand(plan.env)).says.cluster_cert ?? '', /until 20/);
    const { VAULTPLANE_CLUSTER_CA_CERT: __, ...noCaEither } = plan.env;
    assert.match((await checkCommand(noCaEither)).says.cluster_cert ?? '', /cluster_mtls = pki_check_cn needs it/);
  });
});

async function run(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> {
  const {
    code = 0,
    stdout,
    stderr,
  } = await promisify(execFile)(process.execPath, [CONTROL_PLANE_MAIN, ...args], {
    env,
  }).catch((failed) => failed);
  return { code, stdout, stderr };
}
