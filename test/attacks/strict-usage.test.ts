import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { createCertificates } from '@vaultplane/control-plane/fleet/certificates.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, DATA_PLANE_MAIN, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { run } from '../e2e/enrolled.ts';

let deployment: Deployment;
let folder: string;
before(async () => {
  deployment = new Deployment();
  folder = join(deployment.folder, 'pki');
  // `both` are those that 0.1.0 made.
  for (const name of ['cp-both', 'dp-both']) await createCertificates(folder, name);
  await createCertificates(folder, 'cp', 'server');
  await createCertificates(folder, 'dp', 'client');
});
after(() => deployment?.stop());

function pki(name: string, strict: 'on' | 'off'): NodeJS.ProcessEnv {
  return {
    VAULTPLANE_CLUSTER_MTLS: 'pki',
    VAULTPLANE_CLUSTER_CA_CERT: join(folder, 'ca.crt'),
    VAULTPLANE_CLUSTER_CERT: join(folder, `${name}.crt`),
    VAULTPLANE_CLUSTER_CERT_KEY: join(folder, `${name}.key`),
    VAULTPLANE_CLUSTER_STRICT_USAGE: strict,
  };
}

async function untilRefused(dp: DataPlane, why: RegExp): Promise<void> {
  const error = async () =>
    ((await dp.status()).control_plane as unknown as { last_error: string | null }).last_error ?? '';
  await until(`the link is refused: ${why}`, async () => why.test(await error()));
}

it('with strict usage neither side takes a certificate of the other; those of 0.1.0 go on until it is on', async () => {
  const cp = await deployment.planControlPlane('cp', pki('cp-both', 'off'));
  let controlPlane = await cp.start();
  await cp.putVault('one', { name: 'env' });
  const serverName = (name: string) => ({ VAULTPLANE_CLUSTER_SERVER_NAME: name });
  const old = await deployment.planDataPlane('old', cp, { ...pki('dp-both', 'off'), ...serverName('cp-both') });
  const strict = await deployment.planDataPlane('strict', cp, { ...pki('dp', 'on'), ...serverName('cp-both') });
  let programs = [await old.start(), await strict.startUnready()];
  await old.until(({ control_plane }) => control_plane.connected);
  await untilRefused(strict, /control plane's certificate is not accepted: it is for a client too/);
  for (const program of programs) await program.stop();
  await controlPlane.stop();

  // A control plane that is strict with others is so with itself.
  Object.assign(cp.env, { VAULTPLANE_CLUSTER_STRICT_USAGE: 'on' });
  const refused = await run(CONTROL_PLANE_MAIN, ['start'], cp.env);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /cp-both\.crt can't be used with cluster_strict_usage = on: it is for a client too/);

  Object.assign(cp.env, pki('cp', 'on'));
  controlPlane = await cp.start();
  for (const dp of [old, strict]) dp.env.VAULTPLANE_CLUSTER_SERVER_NAME = 'cp';
  programs = [await old.startUnready(), await strict.startUnready()];
  await strict.until(({ control_plane }) => control_plane.connected);
  await untilRefused(old, /refuses this data plane: .*it is for a server too, not for a client alone/);
  for (const program of programs) await program.stop();
  await controlPlane.stop();
});

it("a data plane's certificate makes no control plane under pki, with or without strict usage", async () => {
  const fake = await deployment.planControlPlane('fake', pki('dp', 'off'));
  const program = await fake.start();
  for (const strict of ['on', 'off'] as const) {
    const env = { ...pki('dp', strict), VAULTPLANE_CLUSTER_SERVER_NAME: 'dp' };
    const dp = await deployment.planDataPlane(`victim-${strict}`, fake, env);
    const victim = await dp.startUnready();
    await untilRefused(dp, /control plane's certificate is not for a server/);
    await victim.stop();
  }
  await program.stop();
});

it('strict usage and one certificate for all are a contradiction, which stops the start', async () => {
  const env = { VAULTPLANE_CLUSTER_STRICT_USAGE: 'on' };
  const cp = await deployment.planControlPlane('contradiction', env);
  const dp = await deployment.planDataPlane('contradiction-dp', cp, env);
  for (const [main, of] of [
    [CONTROL_PLANE_MAIN, cp.env],
    [DATA_PLANE_MAIN, dp.env],
  ] as const) {
    const result = await run(main, ['start'], of);
    assert.deepEqual([result.status, /do not go together/.test(result.stderr)], [1, true], result.stderr);
  }
});
