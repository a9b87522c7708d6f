import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';

const NAMES = ['127.0.0.1', 'localhost'];
/** Each form in which Kong takes a certificate, and a reference. */
const FORMS: Record<string, (file: string, variable: string) => { text: string; env?: NodeJS.ProcessEnv }> = {
  'the path of a file': (file) => ({ text: file }),
  PEM: (file) => ({ text: readFileSync(file, 'utf8') }),
  'base64 of PEM': (file) => ({ text: readFileSync(file).toString('base64') }),
  'a reference to PEM': (file, variable) => ({
    text: `{vault://env/${variable}}`,
    env: { [variable]: readFileSync(file, 'utf8') },
  }),
};

describe('certificates and keys in settings', { skip: noCertificates }, () => {
  const deployment = new Deployment();
  let ca: TestCertificate;
  let node: TestCertificate;

  before(() => {
    ca = makeCertificate(deployment.folder, 'ca');
    node = makeCertificate(deployment.folder, 'node', { ca, names: NAMES });
  });
  after(() => deployment.stop());

  for (const [form, give] of Object.entries(FORMS)) {
    it(`are ${form}: on the link, for the Admin API, for applications`, async () => {
      const files: Record<string, string> = {
        cluster_cert: node.certFile,
        cluster_cert_key: node.keyFile,
        cluster_ca_cert: ca.certFile,
        ssl_trusted_certificate: ca.certFile,
      };
      const environment = (more: Record<string, string>) => {
        const settings = Object.entries({ ...files, ...more }).map(([key, file]) => {
          const { text, env } = give(file, `PEM_${key.toUpperCase()}`);
          return { [`VAULTPLANE_${key.toUpperCase()}`]: text, ...env };
        });
        return Object.assign({ VAULTPLANE_CLUSTER_MTLS: 'pki' }, ...settings) as NodeJS.ProcessEnv;
      };
      const name = form.replaceAll(' ', '-');
      const admin = environment({ admin_ssl_cert: node.certFile, admin_ssl_cert_key: node.keyFile });
      const cp: ControlPlane = await deployment.planControlPlane(`cp-${name}`, admin);
      await cp.start();
      const adminUrl = cp.adminUrl.replace('http:', 'https:');
      assert.equal((await get(`${adminUrl}/vaults`, ca.cert)).status, 200);
      const api = environment({ api_ssl_cert: node.certFile, api_ssl_cert_key: node.keyFile });
      const dp: DataPlane = await deployment.planDataPlane(`dp-${name}`, cp, api);
      await dp.startUnready();
      await until(
        'the data plane is linked',
        async () => ((await (await fetch(`${dp.statusUrl}/status`)).json()) as Status).control_plane.connected,
      );
      assert.equal((await get(`${dp.apiUrl.replace('http:', 'https:')}/ping`, ca.cert)).status, 200);

      // A command of the same settings finds it, over TLS; and `check` reads them all.
      const run = (...args: string[]) =>
        promisify(execFile)(process.execPath, [DATA_PLANE_MAIN, ...args], { env: dp.env, cwd: deployment.folder });
      await assert.rejects(run('get', '{vault://env/NOT_SET}'), /404|not_found|is not set/);
      const { stdout } = await run('check').catch((error: { stdout: string }) => error);
      assert.match(stdout, /ok +api_listen: .*with TLS/);
      assert.match(stdout, /ok +cluster_cert: /);

      const key = readFileSync(node.keyFile, 'utf8').split('\n')[1]!;
      for (const log of [`cp-${name}.log`, `dp-${name}.log`]) {
        assert.ok(!readFileSync(join(deployment.folder, log), 'utf8').includes(key), log);
      }
    });
  }

  it('are base64 in a settings file, where PEM itself has no place', async () => {
    const file = join(deployment.folder, 'settings.conf');
    const lines = (value: string) => `cluster_mtls = shared\ncluster_cert = ${value}\n`;
    const check = () =>
      promisify(execFile)(process.execPath, [DATA_PLANE_MAIN, 'check', '--conf', file], {
        env: { ...process.env, VAULTPLANE_CLUSTER_CERT_KEY: node.keyFile },
        cwd: deployment.folder,
      }).catch((error: { stdout: string; stderr: string }) => error);
    writeFileSync(file, lines(Buffer.from(node.cert).toString('base64')));
    assert.match((await check()).stdout, /ok +cluster_cert: \(not shown\), until /);
    writeFileSync(file, lines(node.cert));
    const { stderr } = await check();
    assert.match(stderr, /settings\.conf:2: a PEM text does not fit in one line of a settings file; give base64 of it/);
    assert.equal(stderr.trim().split('\n').length, 1);
  });
});

interface Status {
  control_plane: { connected: boolean };
}

function get(url: string, ca: string): Promise<{ status: number | undefined }> {
  return new Promise((resolve, reject) => {
    request(url, { ca, agent: false }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode });
    })
      .on('error', reject)
      .end();
  });
}
