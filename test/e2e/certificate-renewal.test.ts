import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { createCertificates } from '@vaultplane/control-plane/fleet/certificates.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { Deployment } from './deployment.ts';

let deployment: Deployment;
before(() => {
  deployment = new Deployment();
});
after(() => deployment?.stop());

it('certificates are renewed by SIGHUP without dropping a link; one that has expired is told, and its renewal is found', {
  skip: noCertificates,
}, async () => {
  const folder = join(deployment.folder, 'pki');
  for (const node of ['cp', 'dp', 'cp-renewed']) await createCertificates(folder, node);
  // A renewed certificate of a data plane has the name that it had: by that it is known.
  const renewals = join(deployment.folder, 'renewals');
  mkdirSync(renewals, { mode: 0o700 });
  for (const name of ['ca.crt', 'ca.key']) copyFileSync(join(folder, name), join(renewals, name));
  await createCertificates(renewals, 'dp');
  for (const suffix of ['crt', 'key'])
    copyFileSync(join(renewals, `dp.${suffix}`), join(folder, `dp-renewed.${suffix}`));
  const file = (name: string) => join(folder, name);
  const own = (node: string) => ({
    VAULTPLANE_CLUSTER_MTLS: 'pki',
    VAULTPLANE_CLUSTER_CA_CERT: file('ca.crt'),
    VAULTPLANE_CLUSTER_CERT: file(`${node}.crt`),
    VAULTPLANE_CLUSTER_CERT_KEY: file(`${node}.key`),
  });
  const cp = await deployment.planControlPlane('cp', own('cp'));
  let controlPlane = await cp.start();
  await cp.putVault('one', { name: 'env' });
  const dp = await deployment.planDataPlane('dp', cp, { ...own('dp'), VAULTPLANE_CLUSTER_SERVER_NAME: 'cp-renewed' });
  const dataPlane = await dp.startUnready();
  const facts = async () =>
    (await dp.status()) as unknown as {
      control_plane: {
        connected: boolean;
        last_error: string | null;
        certificate: { expires_at: string; problem: string | null };
      };
    };
  const until = async (holds: (status: Awaited<ReturnType<typeof facts>>) => boolean) => {
    const end = performance.now() + 60_000;
    for (let status = await facts(); !holds(status); status = await facts()) {
      assert.ok(performance.now() < end, `not so in time: ${JSON.stringify(status.control_plane)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  // Until it is renewed the control plane's certificate is for another name than the one to check.
  await until(({ control_plane }) =>
    /is for another name; set cluster_server_name/.test(control_plane.last_error ?? ''),
  );
  const renew = (node: string, from: string) => {
    for (const suffix of ['crt', 'key']) copyFileSync(file(`${from}.${suffix}`), file(`${node}.${suffix}`));
  };
  renew('cp', 'cp-renewed');
  controlPlane.send('SIGHUP');
  await until(({ control_plane }) => control_plane.connected);
  await dp.caughtUpWith(cp);

  // The data plane's expires sooner: seen at once, by the operator of the fleet too, over the link that was there before.
  const listed = async () =>
    ((await cp.get('/clustering/data-planes')) as { data: Array<Record<string, unknown>> }).data[0]!;
  const before = await listed();
  const ca = { certFile: file('ca.crt'), keyFile: file('ca.key'), cert: '', key: '' };
  const soon = makeCertificate(folder, 'dp', { ca, days: 3, extensions: ['basicConstraints=CA:false'] });
  copyFileSync(soon.certFile, file('dp.crt'));
  copyFileSync(soon.keyFile, file('dp.key'));
  dataPlane.send('SIGHUP');
  await until(({ control_plane }) => Date.parse(control_plane.certificate.expires_at) < Date.now() + 4 * 86_400_000);
  while ((await listed()).cert_expires_at === before.cert_expires_at)
    await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([(await listed()).connected, (await listed()).connected_at], [true, before.connected_at]);

  // Expired, it is refused at the next link, with the reason; what it has stays in use, and a renewal needs no restart.
  const expired = makeCertificate(folder, 'dp', { ca, days: -1, extensions: ['basicConstraints=CA:false'] });
  copyFileSync(expired.certFile, file('dp.crt'));
  copyFileSync(expired.keyFile, file('dp.key'));
  await controlPlane.stop();
  controlPlane = await cp.start();
  await until(({ control_plane }) => /refuses this data plane: .*it has expired/.test(control_plane.last_error ?? ''));
  assert.equal((await dp.status()).config.version, 1);
  renew('dp', 'dp-renewed');
  await until(({ control_plane }) => control_plane.connected);
});
