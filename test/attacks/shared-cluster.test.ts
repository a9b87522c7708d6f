import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { postgresMissing, startPostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import type { StatusFacts } from '@vaultplane/data-plane/status/status-facts.ts';
import { TestControlPlane } from '@vaultplane/data-plane/testing/test-control-plane.ts';
import { snapshotOf } from '@vaultplane/data-plane/testing/vault-entities.ts';
import {
  CLUSTER_PATH,
  decodeControlPlaneMessage,
  encodeForMany,
  encodeMessage,
  snapshotMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { ExportKey, publicKeyPem } from '@vaultplane/model/snapshots/export-key.ts';
import { encodeExport } from '@vaultplane/model/snapshots/snapshot-export.ts';
import { parseAddress } from '@vaultplane/platform/net/network-address.ts';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { WebSocket, WebSocketServer } from 'ws';
import { checkCommand } from '../e2e/check-command.ts';
import {
  CONTROL_PLANE_MAIN,
  type ControlPlane,
  DATA_PLANE_MAIN,
  type DataPlane,
  Deployment,
} from '../e2e/deployment.ts';

const run = promisify(execFile);
const POSES = /does not prove that it has the export key/;

function begin(t: TestContext): Deployment {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  return deployment;
}

const factsOf = async (dataPlane: DataPlane) => (await dataPlane.status()) as unknown as StatusFacts;

/** What whoever has taken over a machine with a data plane has. */
function loot({ env }: DataPlane): TestCertificate {
  const [certFile, keyFile] = [env.VAULTPLANE_CLUSTER_CERT!, env.VAULTPLANE_CLUSTER_CERT_KEY!];
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

async function refused(dataPlane: DataPlane, reason: RegExp): Promise<void> {
  await until(`it refuses the control plane: ${reason}`, async () => {
    const { control_plane } = await factsOf(dataPlane);
    return !control_plane.connected && reason.test(control_plane.last_error ?? '');
  });
}

/** A man in the middle, with the pair that all have; `forged` may change what the control plane says. */
async function startRelay(
  t: TestContext,
  { cert, key }: TestCertificate,
  controlPlane: ControlPlane,
  change: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<string> {
  const server = createServer({ cert, key, ca: cert, requestCert: true, minVersion: 'TLSv1.3' });
  new WebSocketServer({ server, path: CLUSTER_PATH }).on('connection', (victim) => {
    const real = new WebSocket(`wss://${controlPlane.clusterAddress}${CLUSTER_PATH}`, {
      ...{ cert, key, rejectUnauthorized: false },
    });
    const opened = new Promise((resolve) => real.once('open', resolve));
    real.on('message', (bytes: Buffer) => victim.send(change(bytes)));
    victim.on('message', async (bytes: Buffer) => {
      await opened;
      real.send(bytes);
    });
    victim.on('close', () => real.terminate());
    real.on('error', () => victim.terminate());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('whoever has one data plane of a shared cluster', { skip: noCertificates }, () => {
  it('is no control plane to another that has met one, also after a restart of that, with a control plane of their own or none', async (t) => {
    const deployment = begin(t);
    const cp = await deployment.planControlPlane('cp');
    let real = await cp.start();
    await cp.putVault('the-real-one', { name: 'env' });
    const dp = await deployment.planDataPlane('dp', cp);
    let dataPlane = await dp.start();
    await dp.caughtUpWith(cp);
    await until('the key is pinned', async () => (await factsOf(dp)).control_plane.export_key.source === 'pinned');
    const before = await factsOf(dp);
    const { port } = parseAddress(cp.clusterAddress)!;
    await dp.savedWhatIsOf(cp);
    await real.stop();

    // One that speaks the protocol, as 0.1.0 did.
    const fake = await TestControlPlane.start({ certificate: loot(dp), snapshot: snapshotOf(9, ['stolen']), port });
    await refused(dp, POSES);
    await dataPlane.stop();
    dataPlane = await dp.start();
    await refused(dp, POSES);
    await fake.stop();

    // The program itself, which has an export key of its own.
    const other = await deployment.planControlPlane('fake', {
      VAULTPLANE_CLUSTER_LISTEN: cp.clusterAddress,
      VAULTPLANE_CLUSTER_CERT: loot(dp).certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: loot(dp).keyFile,
    });
    const program = await other.start();
    await other.putVault('stolen', { name: 'env' });
    await refused(dp, /it has another: SHA-256 [0-9a-f]{64}.*vaultplane-dp trust FILE/);
    const facts = await factsOf(dp);
    assert.deepEqual([facts.config.hash, facts.config.version], [before.config.hash, before.config.version]);
    assert.match(facts.control_plane.export_key.problem ?? '', POSES);
    const checked = await checkCommand(dp.env);
    assert.equal(checked.ok, false);
    assert.match(checked.says['export key'] ?? '', POSES);
    assert.match(dataPlane.output, /no_link_to_the_control_plane.*does not prove that it has the export key/);
    assert.equal(dataPlane.output.match(/"event":"cluster_mtls_shared"/g)?.length, 2, 'once a start');
    assert.equal(real.output.match(/"event":"cluster_mtls_shared"/g)?.length, 1);
    await program.stop();

    real = await cp.start();
    await dp.until(({ control_plane }) => control_plane.connected);
    assert.equal((await factsOf(dp)).control_plane.export_key.problem, null);
  });

  it('has no use of a proof that a control plane gave to somebody else, not even as the first that a data plane meets', async (t) => {
    const deployment = begin(t);
    const cp = await deployment.planControlPlane('cp');
    await cp.start();
    const exportKey = await cp.exportKey();
    const known = await deployment.planDataPlane('known', cp, { VAULTPLANE_CONFIG_EXPORT_PUBLIC_KEY: exportKey });
    const fresh = await deployment.planDataPlane('fresh', cp);
    const pair = loot(known);
    const relayed = await startRelay(t, pair, cp);
    const stripped = await startRelay(t, pair, cp, (bytes) => {
      const message = decodeControlPlaneMessage(bytes);
      return message.type === 'welcome' ? encodeMessage({ ...message, proof: undefined }) : bytes;
    });
    for (const [dataPlane, address, reason] of [
      [known, relayed, /the proof of the control plane that it is one is wrong/],
      [known, stripped, /it shows none/],
      [fresh, relayed, /the proof of the control plane that it is one is wrong/],
    ] as const) {
      dataPlane.env.VAULTPLANE_CLUSTER_CONTROL_PLANE = address;
      const program = await dataPlane.startUnready();
      await refused(dataPlane, reason);
      assert.equal((await factsOf(dataPlane)).config.version, null);
      await program.stop();
    }
    known.env.VAULTPLANE_CLUSTER_CONTROL_PLANE = cp.clusterAddress;
    await known.start();
    await known.caughtUpWith(cp);
    assert.equal((await factsOf(known)).control_plane.export_key.source, 'config_export_public_key');
  });

  it('makes no export that anybody takes', async (t) => {
    const deployment = begin(t);
    const place = join(deployment.folder, 'exported');
    const cp = await deployment.planControlPlane('cp', { VAULTPLANE_CONFIG_EXPORT_URL: `file://${place}` });
    const real = await cp.start();
    await cp.putVault('the-real-one', { name: 'env' });
    const { config_export } = (await (await fetch(`${cp.statusUrl}/status`)).json()) as { config_export: object };
    assert.ok(config_export);
    await until('version 1 is exported', () =>
      /"event":"the_configuration_is_exported".*"version":1,/.test(real.output),
    );
    const exportKey = await cp.exportKey();
    await real.kill('SIGKILL');
    const genuine = readFileSync(place);
    const fallback = { VAULTPLANE_CONFIG_FALLBACK_URL: `file://${place}` };
    const fresh = await deployment.planDataPlane('fresh', cp, fallback);
    const known = await deployment.planDataPlane('known', cp, {
      ...fallback,
      VAULTPLANE_CONFIG_EXPORT_PUBLIC_KEY: exportKey,
    });
    const pair = loot(fresh);
    const forged = async (key?: ExportKey) =>
      encodeExport(
        await encodeForMany(snapshotMessage(snapshotOf(9, ['stolen']))),
        { defaults: {}, exportedAt: Date.now() },
        { certificate: pair.cert, key: pair.key },
        key,
      );
    for (const [document, dataPlane, reason] of [
      [await forged(), fresh, /set config_export_public_key/],
      [await forged(ExportKey.generate()), fresh, /set config_export_public_key/],
      [await forged(), known, /no export key has signed it/],
      [await forged(ExportKey.generate()), known, /not signed by the export key that this data plane trusts/],
    ] as const) {
      writeFileSync(place, document);
      const program = await dataPlane.startUnready();
      await until(String(reason), async () => reason.test((await dataPlane.status()).config.fallback_problem ?? ''));
      assert.equal((await dataPlane.status()).config.version, null);
      await program.stop();
    }
    writeFileSync(place, genuine);
    await known.start();
    const facts = await factsOf(known);
    assert.deepEqual([facts.config.source, facts.config.version], ['fallback', 1]);
  });

  it('makes none under pki either, where its certificate is no server, or of strict usage', async (t) => {
    const deployment = begin(t);
    const place = join(deployment.folder, 'exported');
    const ca = makeCertificate(deployment.folder, 'ca');
    // As names go, it would do: a data plane on the control plane's machine.
    const names = ['127.0.0.1'];
    const extensions = ['extendedKeyUsage=clientAuth'];
    const node = makeCertificate(deployment.folder, 'node', { ca, names, extensions });
    const cp = await deployment.planControlPlane('cp');
    const dp = await deployment.planDataPlane('dp', cp, {
      VAULTPLANE_CONFIG_FALLBACK_URL: `file://${place}`,
      VAULTPLANE_CLUSTER_MTLS: 'pki',
      VAULTPLANE_CLUSTER_CA_CERT: ca.certFile,
      VAULTPLANE_CLUSTER_CERT: node.certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: node.keyFile,
    });
    const message = await encodeForMany(snapshotMessage(snapshotOf(9, ['stolen'])));
    const identity = { certificate: node.cert, key: node.key };
    writeFileSync(place, encodeExport(message, { defaults: {}, exportedAt: Date.now() }, identity));
    await dp.startUnready();
    await until('it is refused', async () =>
      /it is not for a server/.test((await dp.status()).config.fallback_problem ?? ''),
    );
    assert.equal((await dp.status()).config.version, null);
  });
});

it('another export key, such as after the loss of data_dir, is taken once the operator says so, without a restart', async (t) => {
  const deployment = begin(t);
  const first = await deployment.planControlPlane('first');
  const program = await first.start();
  const dp = await deployment.planDataPlane('dp', first);
  await dp.start();
  await dp.caughtUpWith(first);
  await until('the key is pinned', async () => (await factsOf(dp)).control_plane.export_key.source === 'pinned');
  await program.stop();
  const second = await deployment.planControlPlane('second', {
    VAULTPLANE_CLUSTER_LISTEN: first.clusterAddress,
    VAULTPLANE_CLUSTER_CERT: loot(dp).certFile,
    VAULTPLANE_CLUSTER_CERT_KEY: loot(dp).keyFile,
  });
  await second.start();
  await refused(dp, POSES);
  const trust = (...args: string[]) => run(process.execPath, [DATA_PLANE_MAIN, 'trust', ...args], { env: dp.env });
  const printed = await run(process.execPath, [CONTROL_PLANE_MAIN, 'export-key', '--json'], { env: second.env });
  const { public_key, sha256 } = JSON.parse(printed.stdout) as { public_key: string; sha256: string };
  assert.equal(public_key.trim(), await second.exportKey());
  const file = join(deployment.folder, 'new.pub');
  writeFileSync(file, public_key);
  assert.equal((await trust(file)).stdout, `SHA-256 ${sha256} (pinned)\n`);
  await dp.until(({ control_plane }) => control_plane.connected);
  // A link that lasts is judged by the keys of now.
  const firstKey = join(deployment.folder, 'first.pub');
  writeFileSync(
    firstKey,
    publicKeyPem(ExportKey.parse(readFileSync(join(first.dataDir, 'export.key'), 'utf8')).publicKey),
  );
  await trust(firstKey);
  await refused(dp, POSES);

  // The other way: whoever comes next is believed.
  assert.match((await trust('--forget')).stdout, /no export key is pinned/);
  await dp.until(({ control_plane }) => control_plane.connected);
  await assert.rejects(trust(join(deployment.folder, 'second', 'export.key')), (error: { stderr: string }) => {
    assert.match(
      error.stderr,
      /^vaultplane-dp: [^\n]*holds a private key; only the public half belongs there[^\n]*\n$/,
    );
    return !/PRIVATE KEY-----|MC4CAQ/.test(error.stderr);
  });
});

describe('control planes on one Postgres', { skip: noCertificates || postgresMissing() }, () => {
  it('prove the same export key by their keyring; one without it is refused, and stops for nothing else', async (t) => {
    const deployment = begin(t);
    const postgres = await startPostgresServer();
    t.after(() => postgres.stop());
    const pair = makeCertificate(deployment.folder, 'shared');
    const keyring = join(deployment.folder, 'keyring');
    writeFileSync(keyring, randomBytes(32).toString('base64'), { mode: 0o600 });
    const settings = {
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: postgres.host,
      VAULTPLANE_PG_PORT: String(postgres.port),
      VAULTPLANE_PG_USER: postgres.user,
      VAULTPLANE_PG_PASSWORD: postgres.password,
      VAULTPLANE_PG_DATABASE: await postgres.createDatabase(),
      VAULTPLANE_CLUSTER_CERT: pair.certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: pair.keyFile,
    };
    const withKeyring = { ...settings, VAULTPLANE_KEYRING_KEY_FILE: keyring };
    const one = await deployment.planControlPlane('one', withKeyring);
    const two = await deployment.planControlPlane('two', withKeyring);
    const bare = await deployment.planControlPlane('bare', settings);
    const [first] = await Promise.all([one.start(), two.start()]);
    assert.equal(await one.exportKey(), await two.exportKey());
    const dp = await deployment.planDataPlane('dp', one);
    dp.env.VAULTPLANE_CLUSTER_CONTROL_PLANE = [one, two].map(({ clusterAddress }) => clusterAddress).join();
    const dataPlane = await dp.start();
    await first.kill('SIGKILL');
    await two.putVault('made-after', { name: 'env' });
    await dp.caughtUpWith(two);
    await until('the key is pinned', async () => (await factsOf(dp)).control_plane.export_key.source === 'pinned');
    await dataPlane.stop();

    const program = await bare.start();
    assert.match(program.output, /"event":"there_is_no_export_key".*keyring_key_file/);
    dp.env.VAULTPLANE_CLUSTER_CONTROL_PLANE = bare.clusterAddress;
    await dp.start();
    await refused(dp, /it shows none/);
  });
});
