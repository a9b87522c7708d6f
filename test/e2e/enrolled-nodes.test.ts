import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createCertificates } from '@vaultplane/control-plane/fleet/certificates.ts';
import { HttpProxy } from '@vaultplane/testkit/http-proxy.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { openLink } from '../attacks/enrolment-client.ts';
import { type ControlPlane, type DataPlane, Deployment } from './deployment.ts';
import { ENROLLED, invite, joinBy, planJoiner, tokenFile } from './enrolled.ts';

interface Row {
  id: string;
  connected: boolean;
  labels: Record<string, string>;
}

async function nodes(cp: ControlPlane): Promise<Row[]> {
  return ((await cp.get('/clustering/data-planes')) as { data: Row[] }).data;
}

interface Facts {
  node_id: string;
  control_plane: {
    connected: boolean;
    last_error: string | null;
    certificate: { expires_at: string | null; problem: string | null };
  };
}

async function factsOf(dp: DataPlane): Promise<Facts> {
  return (await dp.status()) as unknown as Facts;
}

/** As on a machine whose clock is so. */
const TEN_MINUTES_BEHIND = 'const now = Date.now; Date.now = () => now() - 600000;';

describe('data planes that enrol', () => {
  let deployment: Deployment;
  before(() => {
    deployment = new Deployment();
  });
  after(() => deployment?.stop());

  it('join at their start, also when the control plane comes later, and again where nothing of them was kept', async () => {
    const exported = join(deployment.folder, 'config.export');
    const cp = await deployment.planControlPlane('cp', {
      ...ENROLLED,
      VAULTPLANE_CONFIG_EXPORT_URL: `file://${exported}`,
    });
    let controlPlane = await cp.start();
    await cp.putVault('one', { name: 'env' });
    await until('the configuration is exported', async () => {
      const status = (await (await fetch(`${cp.statusUrl}/status`)).json()) as { config_export: { version: number } };
      return status.config_export.version === 1;
    });
    const token = await invite(cp, '--uses', 'unlimited', '--ttl', 'never', '--labels', 'kind:pod');
    await controlPlane.stop();

    const pod = await planJoiner(deployment, 'pod', cp, {
      VAULTPLANE_CLUSTER_JOIN_TOKEN_FILE: tokenFile(deployment, token),
      VAULTPLANE_CONFIG_FALLBACK_URL: `file://${exported}`,
    });
    let program = await pod.startUnready();
    await until('the outage is told', async () =>
      /nothing listens/.test((await factsOf(pod)).control_plane.last_error ?? ''),
    );
    assert.equal((await factsOf(pod)).control_plane.certificate.expires_at, null);
    // It works from what a control plane of the CA that its token pins has signed.
    await pod.until(({ config }) => config.source === 'fallback' && config.version === 1);
    controlPlane = await cp.start();
    await pod.until(({ control_plane }) => control_plane.connected);
    const first = (await factsOf(pod)).node_id;
    // It has a disk: a restart is the same node.
    await program.stop();
    program = await pod.start();
    await pod.until(({ control_plane }) => control_plane.connected);
    assert.equal((await factsOf(pod)).node_id, first);
    // It has none: another node, by the same invitation.
    await program.stop();
    rmSync(pod.dataDir, { recursive: true });
    program = await pod.start();
    await pod.until(({ control_plane }) => control_plane.connected);
    const second = (await factsOf(pod)).node_id;
    assert.notEqual(second, first);
    await until('both nodes are listed as they are', async () => {
      const rows = new Map((await nodes(cp)).map((row) => [row.id, row]));
      return rows.get(second)?.connected === true && rows.get(first)?.connected === false;
    });
    assert.deepEqual(
      (await nodes(cp)).map(({ labels }) => labels),
      [{ kind: 'pod' }, { kind: 'pod' }],
    );
    await program.stop();
    await controlPlane.stop();
  });

  it('are renewed over the link from a third of their life on, with another key, and after an outage longer than the rest of it', async () => {
    const cp = await deployment.planControlPlane('short', { ...ENROLLED, VAULTPLANE_CLUSTER_CERTIFICATE_TTL: '20' });
    let controlPlane = await cp.start();
    await cp.putVault('one', { name: 'env' });
    const dp = await planJoiner(deployment, 'renewed', cp);
    assert.equal((await joinBy(await invite(cp), dp)).status, 0);
    const program = await dp.start();
    await dp.until(({ control_plane }) => control_plane.connected);
    const kept = () => readFileSync(join(dp.dataDir, 'identity.pem'), 'utf8').split('-----END PRIVATE KEY-----');
    const [key] = kept();
    const { node_id, control_plane } = await factsOf(dp);
    const renewed = async (than: string | null) => {
      const facts = await factsOf(dp);
      return facts.control_plane.connected && facts.control_plane.certificate.expires_at !== than;
    };
    await until('the certificate is renewed', () => renewed(control_plane.certificate.expires_at));
    assert.notEqual(kept()[0], key);
    assert.equal((await factsOf(dp)).node_id, node_id);

    await controlPlane.stop();
    const before = (await factsOf(dp)).control_plane.certificate.expires_at;
    await until('the certificate has ended', () => Date.now() > Date.parse(before!));
    controlPlane = await cp.start();
    await until('the node is back', () => renewed(before));
    assert.equal((await factsOf(dp)).node_id, node_id);
    await until('it is known as connected', async () =>
      (await nodes(cp)).some(({ id, connected }) => id === node_id && connected),
    );
    await program.stop();
    await controlPlane.stop();
  });

  it('are renewed on the word of a control plane where their own clock says that the certificate is still good', async () => {
    const cp = await deployment.planControlPlane('timely', { ...ENROLLED, VAULTPLANE_CLUSTER_CERTIFICATE_TTL: '10' });
    let controlPlane = await cp.start();
    const dp = await planJoiner(deployment, 'behind', cp, {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(TEN_MINUTES_BEHIND)}`,
    });
    assert.equal((await joinBy(await invite(cp), dp)).status, 0);
    const program = await dp.start();
    await dp.until(({ control_plane }) => control_plane.connected);
    const { node_id, control_plane } = await factsOf(dp);
    await controlPlane.stop();
    const { expires_at } = control_plane.certificate;
    await until('the certificate has ended', () => Date.now() > Date.parse(expires_at!));
    controlPlane = await cp.start();
    await until('the node is back', async () => {
      const facts = await factsOf(dp);
      return facts.control_plane.connected && facts.control_plane.certificate.expires_at !== expires_at;
    });
    assert.equal((await factsOf(dp)).node_id, node_id);
    await program.stop();
    await controlPlane.stop();
  });

  it('stand beside those with the shared certificate, until cluster_strict_usage is on', async () => {
    const folder = join(deployment.folder, 'shared');
    await createCertificates(folder);
    const shared = {
      VAULTPLANE_CLUSTER_CERT: join(folder, 'cluster.crt'),
      VAULTPLANE_CLUSTER_CERT_KEY: join(folder, 'cluster.key'),
    };
    const cp = await deployment.planControlPlane('both', shared);
    let controlPlane = await cp.start();
    await cp.putVault('one', { name: 'env' });
    const old = await deployment.planDataPlane('old', cp, shared);
    const programs = [await old.start()];
    await old.until(({ control_plane }) => control_plane.connected);

    await controlPlane.stop();
    Object.assign(cp.env, ENROLLED);
    controlPlane = await cp.start();
    await cp.putVault('two', { name: 'env' });
    await old.caughtUpWith(cp);
    // By the way, through a proxy: the join as the link.
    const proxy = await HttpProxy.start({ credentials: 'a-user:a-password' });
    const fresh = await planJoiner(deployment, 'fresh', cp, {
      VAULTPLANE_PROXY_SERVER: proxy.url('a-user:a-password').href,
    });
    const result = await joinBy(await invite(cp), fresh);
    assert.equal(result.status, 0, result.stderr);
    programs.push(await fresh.start());
    await fresh.caughtUpWith(cp);
    assert.deepEqual(proxy.asked.slice(0, 2), [cp.clusterAddress, cp.clusterAddress]);
    await until('both are linked', async () => (await nodes(cp)).filter(({ connected }) => connected).length === 2);

    // Who has the shared certificate is no node that has joined.
    const shown = {
      certificate: readFileSync(shared.VAULTPLANE_CLUSTER_CERT, 'utf8'),
      key: readFileSync(shared.VAULTPLANE_CLUSTER_CERT_KEY, 'utf8'),
    };
    const claim = await openLink(cp, shown, (await factsOf(fresh)).node_id);
    assert.deepEqual([claim.type, claim.code], ['refuse', 'wrong_node_id']);
    assert.match(claim.reason!, /has a certificate of its own, which was not shown/);

    await controlPlane.stop();
    cp.env.VAULTPLANE_CLUSTER_STRICT_USAGE = 'on';
    controlPlane = await cp.start();
    await fresh.until(({ control_plane }) => control_plane.connected);
    await until('the shared certificate is refused', async () => {
      const { control_plane } = await factsOf(old);
      return !control_plane.connected && /shows another certificate/.test(control_plane.last_error ?? '');
    });
    for (const program of [...programs, controlPlane]) await program.stop();
    await proxy.stop();
  });
});
