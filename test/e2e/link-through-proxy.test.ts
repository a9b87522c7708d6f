import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { HttpProxy } from '@vaultplane/testkit/http-proxy.ts';
import { type ControlPlane, DATA_PLANE_MAIN, Deployment } from './deployment.ts';

const PASSWORD = 'c4n4ry-of-the-proxy';

describe('the link of a data plane with proxy_server', { skip: noCertificates }, () => {
  const deployment = new Deployment();
  let controlPlane: ControlPlane;
  let ca: TestCertificate;
  let ofProxy: TestCertificate;
  let names = 0;
  before(async () => {
    controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    ca = makeCertificate(deployment.folder, 'proxy-ca');
    ofProxy = makeCertificate(deployment.folder, 'proxy', { ca, names: ['127.0.0.1'] });
  });
  after(() => deployment.stop());

  const plan = (env: NodeJS.ProcessEnv) => deployment.planDataPlane(`dp-${++names}`, controlPlane, env);
  /** A data plane that has its configuration from the control plane. */
  const linked = async (env: NodeJS.ProcessEnv) => {
    const dp = await plan(env);
    const program = await dp.start();
    await dp.until(({ config }) => config.source === 'control_plane');
    await program.stop();
  };
  const serverOf = (proxy: HttpProxy) => proxy.url(`me:${PASSWORD}`).href;

  it('goes through it unless cluster_use_proxy is off', async () => {
    for (const use of [undefined, 'on', 'off']) {
      await using proxy = await HttpProxy.start({ credentials: `me:${PASSWORD}` });
      await linked({ KONG_PROXY_SERVER: serverOf(proxy), KONG_CLUSTER_USE_PROXY: use });
      assert.equal(proxy.asked.length > 0, use !== 'off', String(use));
    }
  });

  it('checks an https proxy by ssl_trusted_certificate, unless proxy_server_ssl_verify is off', async () => {
    await using proxy = await HttpProxy.start({ credentials: `me:${PASSWORD}`, tls: ofProxy });
    const env = { KONG_PROXY_SERVER: serverOf(proxy), KONG_CLUSTER_USE_PROXY: 'on' };
    await linked({ ...env, KONG_LUA_SSL_TRUSTED_CERTIFICATE: ca.certFile });
    await linked({ ...env, KONG_PROXY_SERVER_SSL_VERIFY: 'off' });
    assert.ok(proxy.asked.length >= 2);
    const asked = proxy.asked.length;
    const wary = await plan(env);
    const program = await wary.startUnready();
    await wary.until(({ control_plane: link }) => link.last_error !== null);
    const status = await wary.status();
    assert.match(
      status.control_plane.last_error!,
      /^proxy_server does not connect to .*; ssl_trusted_certificate says whom to trust$/,
    );
    assert.equal(proxy.asked.length, asked);
    await program.stop();
    assert.deepEqual(deployment.filesWith([PASSWORD]), []);
  });

  it('is refused at the start where cluster_use_proxy is on without it, or it is none', async () => {
    for (const [server, message] of [
      [undefined, /cluster_use_proxy = on needs proxy_server; set it to http:/],
      [`socks5://me:${PASSWORD}@host`, /proxy_server \(not shown\) is not allowed; it must be http:/],
    ] as const) {
      const { env } = await plan({ KONG_PROXY_SERVER: server, KONG_CLUSTER_USE_PROXY: 'on' });
      const failed = await promisify(execFile)(process.execPath, [DATA_PLANE_MAIN, 'start'], { env }).catch(
        (error) => error,
      );
      assert.ok(failed.code > 0);
      assert.match(failed.stderr, message);
      assert.ok(!(failed.stderr + failed.stdout).includes(PASSWORD));
    }
  });
});
