import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type DataPlaneMessage, MAX_DATA_PLANE_MESSAGE_BYTES } from '@vaultplane/model/protocol/protocol.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { Database } from '../store/database.ts';
import { openEmbeddedDatabase } from '../store/embedded-database.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';
import { makeSharedCertificate } from './certificate-maker.ts';
import { createCertificates } from './certificates.ts';
import { HELLO_WITHIN_MS, PING_EVERY_MS } from './session.ts';
import { SLOWEST_BYTES_A_SECOND, SLOWEST_SEND_MS } from './slow-sends.ts';
import { inventedSnapshot, TestDataPlane } from './testing/test-data-plane.ts';

describe('the cluster link', () => {
  let database: Database;
  let cp: TestControlPlane;
  let version = 0;
  const dataPlanes: TestDataPlane[] = [];
  const start = async (...given: Parameters<typeof TestDataPlane.start>) => {
    const dataPlane = await TestDataPlane.start(...given);
    dataPlanes.push(dataPlane);
    return dataPlane;
  };
  /** Makes a change; each makes one version. */
  const change = async (description: string) => {
    const { status } = await cp.call('PUT', '/vaults/changing', { name: 'env', description });
    assert.equal(status, 200);
    version++;
  };
  const listed = async (id: string) =>
    (await cp.call('GET', '/clustering/data-planes')).json.data.find((row: { id: string }) => row.id === id);

  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database, env: { VAULTPLANE_VAULT_AWS_REGION: 'eu-central-1' } });
    await change('first');
  });
  after(async () => {
    await Promise.all(dataPlanes.map((dataPlane) => dataPlane.stop()));
    await cp?.stop();
    await database?.close();
  });

  it('brings a new data plane a welcome with the defaults, and the whole snapshot', async () => {
    const dataPlane = await start({ controlPlane: cp });
    await dataPlane.untilVersion(version);
    assert.deepEqual(dataPlane.types, ['welcome', 'snapshot']);
    const [welcome] = dataPlane.messages;
    assert.ok(welcome?.type === 'welcome');
    assert.deepEqual(welcome.defaults, { vault_aws_region: 'eu-central-1' });
    assert.equal(welcome.protocol, 1);
    assert.equal(welcome.control_plane_id, cp.nodeId);
    assert.deepEqual(welcome.config.version, version);
    assert.deepEqual(
      dataPlane.snapshot?.vaults.map(({ prefix }) => prefix),
      ['changing'],
    );
  });

  it('brings each change to all as a delta, and to one that comes back what it missed', async () => {
    const [one, two] = [await start({ controlPlane: cp }), await start({ controlPlane: cp })];
    await Promise.all([one.untilVersion(version), two.untilVersion(version)]);
    await two.stop();
    await change('second');
    await change('third');
    await one.untilVersion(version);
    assert.deepEqual(new Set(one.types.slice(2)), new Set(['delta']));

    const back = await start({ controlPlane: cp, hello: { node_id: two.id } }, two.snapshot);
    await back.untilVersion(version);
    assert.deepEqual(back.types, ['welcome', 'delta']);
    assert.equal(back.snapshot?.hash, one.snapshot?.hash);

    const current = await start({ controlPlane: cp }, back.snapshot);
    await change('fourth');
    await current.untilVersion(version);
    assert.deepEqual(current.types, ['welcome', 'delta']);
  });

  it('brings the whole snapshot to a data plane of another timeline, or with another hash', async () => {
    const current = await start({ controlPlane: cp });
    await current.untilVersion(version);
    const { timeline } = current.snapshot!;
    for (const other of [inventedSnapshot('11111111-1111-4111-8111-111111111111', 1), inventedSnapshot(timeline, 1)]) {
      const dataPlane = await start({ controlPlane: cp }, other);
      await dataPlane.untilVersion(version);
      assert.deepEqual(dataPlane.types, ['welcome', 'snapshot']);
    }
  });

  it('sends the whole snapshot once to a data plane that could not apply a delta, and not again if it can not apply that', async () => {
    const dataPlane = await start({ controlPlane: cp });
    await dataPlane.untilVersion(version);
    await change('for a nack');
    await dataPlane.untilVersion(version);
    const nack = () => dataPlane.send({ type: 'nack', version, reason: 'does not fit', position: null });
    nack();
    await dataPlane.until(({ types }) => types.filter((type) => type === 'snapshot').length === 2);
    assert.equal((await listed(dataPlane.id)).sync_status, 'rejected');
    nack();
    await change('after the nacks');
    await dataPlane.untilVersion(version);
    assert.equal(dataPlane.types.at(-1), 'delta');
    dataPlane.acknowledge();
    await change('one more');
    await dataPlane.untilVersion(version);
    assert.equal((await listed(dataPlane.id)).sync_status, 'normal');
    assert.equal(dataPlane.types.filter((type) => type === 'snapshot').length, 2);
  });

  it('shows in the list of data planes who is there, with what, and what they report', async () => {
    const dataPlane = await start({ controlPlane: cp, hello: { hostname: 'web-1', labels: { zone: 'a' } } });
    await dataPlane.untilVersion(version);
    const joined = await listed(dataPlane.id);
    assert.deepEqual(
      [joined.hostname, joined.ip, joined.connected, joined.sync_status],
      ['web-1', '127.0.0.1', true, 'unknown'],
    );
    assert.deepEqual(joined.labels, { zone: 'a' });
    assert.ok(joined.cert_expires_at > Date.now() / 1000);

    dataPlane.acknowledge();
    const references = { fresh: 3, stale: 1, resurrected: 0, negative: 2 };
    dataPlane.send({ type: 'report', references, rejected_vaults: [{ prefix: 'x-y', reason: 'unknown type' }] });
    await change('to know that both were read');
    await dataPlane.untilVersion(version);
    const row = await listed(dataPlane.id);
    assert.deepEqual(row.references, references);
    assert.deepEqual(row.rejected_vaults, [{ prefix: 'x-y', reason: 'unknown type' }]);
    assert.equal(row.config_version, version - 1);
    assert.equal(row.sync_status, 'normal');

    const { json: status } = await cp.call('GET', '/clustering/status');
    assert.equal(status[dataPlane.id].hostname, 'web-1');
    assert.ok(Object.values(status).every((member) => typeof (member as { hostname?: unknown }).hostname === 'string'));
    assert.equal((await cp.call('GET', '/status')).json.vaultplane.config.version, version);
  });

  it('notes of each data plane what it acknowledges, also when others say the same, or say it otherwise', async () => {
    const send = (dataPlane: TestDataPlane, members: object) => dataPlane.send(members as DataPlaneMessage);
    const acknowledged = async (dataPlane: TestDataPlane) => {
      // What it sent before has been read when the pong is back.
      const ponged = once(dataPlane.socket, 'pong');
      dataPlane.socket.ping();
      await ponged;
      const { config_version, config_hash, sync_status } = await listed(dataPlane.id);
      return { config_version, config_hash, sync_status };
    };
    const all = await Promise.all([1, 2, 3].map(() => start({ controlPlane: cp })));
    const [first, second, third] = all as [TestDataPlane, TestDataPlane, TestDataPlane];
    await Promise.all(all.map((dataPlane) => dataPlane.untilVersion(version)));
    const old = { type: 'ack', ...cpPosition(first.snapshot!) };
    send(first, old);
    send(second, Object.fromEntries(Object.entries(old).reverse()));
    send(third, old);
    const has = { config_version: version, config_hash: old.hash, sync_status: 'normal' };
    for (const dataPlane of all) assert.deepEqual(await acknowledged(dataPlane), has);

    await change('to be acknowledged by one');
    await Promise.all(all.map((dataPlane) => dataPlane.untilVersion(version)));
    send(first, { type: 'ack', ...cpPosition(first.snapshot!) });
    send(second, old);
    assert.equal((await acknowledged(first)).config_version, version);
    assert.deepEqual(await acknowledged(second), has);
    assert.deepEqual(await acknowledged(third), has);

    // One that has not said hello is nobody, whatever others have said before.
    const stranger = await TestDataPlane.connect({ controlPlane: cp });
    send(stranger, old);
    await stranger.closed;
    assert.deepEqual(stranger.types, ['refuse']);
  });

  it('is closed by a bad message, with a reason, and no other link is', async () => {
    const healthy = await start({ controlPlane: cp });
    const text = await start({ controlPlane: cp });
    const garbage = await start({ controlPlane: cp });
    const early = await TestDataPlane.connect({ controlPlane: cp });
    const twice = await start({ controlPlane: cp });
    dataPlanes.push(early);
    text.socket.send('hello?');
    garbage.socket.send(Buffer.from([0xc1, 0xff]));
    early.send({ type: 'ack', ...cpPosition(await healthySnapshot(healthy)) });
    twice.send(twice.hello());
    for (const [dataPlane, code] of [
      [text, 'bad_message'],
      [garbage, 'bad_message'],
      [early, 'no_hello'],
      [twice, 'bad_message'],
    ] as const) {
      await dataPlane.closed;
      const last = dataPlane.messages.at(-1);
      assert.ok(last?.type === 'refuse');
      assert.equal(last.code, code);
      assert.ok(last.reason.length > 5);
    }
    await change('the healthy one goes on');
    await healthy.untilVersion(version);
  });

  it('is closed by an oversized message, and no other link is', async () => {
    const healthy = await start({ controlPlane: cp });
    const large = await start({ controlPlane: cp });
    await large.untilVersion(version);
    large.socket.send(Buffer.alloc(MAX_DATA_PLANE_MESSAGE_BYTES + 1));
    assert.equal((await large.closed).code, 1009);
    await change('the healthy one goes on again');
    await healthy.untilVersion(version);
  });

  it('refuses a data plane that speaks no protocol of ours, and says what is spoken', async () => {
    const dataPlane = await start({ controlPlane: cp, hello: { protocols: [7, 8] } });
    await dataPlane.closed;
    assert.deepEqual(dataPlane.messages, [
      {
        type: 'refuse',
        code: 'unsupported_protocol',
        reason: 'this control plane speaks protocol 1, the data plane 7, 8',
      },
    ]);
  });

  it('lets nobody in without the very same certificate, over TLS below 1.3, or at another path', async () => {
    const { certificate: cert, key } = await makeSharedCertificate();
    await assert.rejects(
      TestDataPlane.connect({ controlPlane: cp, certificate: { cert, key } }),
      /403 .*not this cluster's/,
    );
    await assert.rejects(TestDataPlane.connect({ controlPlane: cp, certificate: null }), /403 no client certificate/);
    await assert.rejects(TestDataPlane.connect({ controlPlane: cp, maxVersion: 'TLSv1.2' }), /alert|EPROTO|protocol/i);
    const url = cp.clusterUrl.replace('/v1/cluster', '/v2/cluster');
    await assert.rejects(TestDataPlane.connect({ controlPlane: cp, url }), /404 .*\/v1\/cluster/);
    const status = await new Promise((resolve, reject) =>
      get(cp.clusterUrl.replace('wss:', 'https:'), { rejectUnauthorized: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).on('error', reject),
    );
    assert.equal(status, 403);
  });

  it('keeps at most a little for a slow reader, and then brings it to the newest version', async () => {
    const slow = await start({ controlPlane: cp });
    await slow.untilVersion(version);
    const before = slow.messages.length;
    slow.socket.pause();
    for (let round = 0; round < 40; round++) await change(`${round} ${'x'.repeat(500_000)}`);
    slow.socket.resume();
    await slow.untilVersion(version);
    assert.ok(slow.messages.length - before < 40, `${slow.messages.length - before} messages for 40 changes`);
    await change('small again');
    await slow.untilVersion(version);
  });

  it('says goodbye to all when the control plane stops, and is up again for them on the same database', async () => {
    const other = await startTestControlPlane({ database });
    const dataPlane = await TestDataPlane.start({ controlPlane: other });
    await dataPlane.untilVersion(version);
    await other.stop();
    assert.equal((await dataPlane.closed).code, 1001);
    const again = await startTestControlPlane({ database });
    await change('while it was away');
    const back = await TestDataPlane.start(
      { controlPlane: again, hello: { node_id: dataPlane.id } },
      dataPlane.snapshot,
    );
    await back.untilVersion(version);
    assert.deepEqual(back.types, ['welcome', 'delta']);
    await back.stop();
    await again.stop();
  });

  async function healthySnapshot(dataPlane: TestDataPlane) {
    await dataPlane.untilVersion(version);
    return dataPlane.snapshot!;
  }
});

function cpPosition({ timeline, version, hash }: { timeline: string; version: number; hash: string }) {
  return { timeline, version, hash };
}

describe('the cluster link over time', () => {
  let database: Database;
  let cp: TestControlPlane;
  const clock = new FakeClock(Date.now());
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database, clock });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('refuses a data plane that says no hello', async () => {
    const silent = await TestDataPlane.connect({ controlPlane: cp });
    await clock.advance(HELLO_WITHIN_MS);
    await silent.closed;
    assert.equal((silent.messages[0] as { code?: string }).code, 'no_hello');
  });

  it('ends when a data plane answers no ping, and not while it answers', async () => {
    const dead = await TestDataPlane.start({ controlPlane: cp, autoPong: false });
    const alive = await TestDataPlane.start({ controlPlane: cp });
    await Promise.all([dead.untilVersion(0), alive.untilVersion(0)]);
    for (let round = 0; round < 2; round++) {
      const pinged = new Promise((resolve) => alive.socket.once('ping', resolve));
      await clock.advance(PING_EVERY_MS);
      await pinged;
      // Its pong has reached the control plane before what it sends now is answered.
      alive.acknowledge();
      await cp.call('PUT', '/vaults/changing', { name: 'env', description: String(round) });
      await alive.untilVersion(round + 1);
    }
    assert.equal((await dead.closed).code, 1006);
    assert.equal(alive.socket.readyState, alive.socket.OPEN);
    await alive.stop();
  });
});

describe('the cluster link to slow readers', () => {
  let database: Database;
  let cp: TestControlPlane;
  const clock = new FakeClock(Date.now());
  const VAULTS = 30;
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    cp = await startTestControlPlane({ database, clock });
    for (let index = 0; index < VAULTS; index++) {
      const { status } = await cp.call('PUT', `/vaults/large-${index}`, {
        name: 'env',
        description: 'x'.repeat(500_000),
      });
      assert.equal(status, 200);
    }
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
  });

  it('lets one be that takes its time, and closes one that takes longer than it may', async () => {
    const slow = await TestDataPlane.connect({ controlPlane: cp });
    slow.send(slow.hello());
    await slow.until(({ types }) => types.includes('welcome'));
    slow.socket.pause();
    // More than the system keeps for a reader, so that some of it waits here.
    const size = VAULTS * 500_000;
    await clock.advance(3 * PING_EVERY_MS);
    assert.equal(slow.socket.readyState, slow.socket.OPEN);
    const listed = async () => (await cp.call('GET', '/status')).json.vaultplane.data_planes.connected;
    assert.equal(await listed(), 1);
    await clock.advance(SLOWEST_SEND_MS + (size / SLOWEST_BYTES_A_SECOND) * 1000 + 1000);
    slow.socket.resume();
    assert.equal((await slow.closed).code, 1006);
    assert.ok(cp.logged().some(({ msg }) => /reads too slowly/.test(String(msg))));
    assert.match(
      await (await fetch(`${cp.statusUrl}/metrics`)).text(),
      /links_refused_total\{reason="slow_reader"\} 1/,
    );
  });

  it('sends the whole compressed to those who accept that, and the same bytes to all of them', async () => {
    const readers = await Promise.all(
      [1, 2].map(() => TestDataPlane.start({ controlPlane: cp, hello: { accepts: ['compressed'] } })),
    );
    for (const reader of readers) {
      await reader.untilVersion(VAULTS);
      const received = (reader.socket as unknown as { _socket: TLSSocket })._socket.bytesRead;
      assert.ok(received < 500_000, `${received} bytes for ${VAULTS * 500_000}`);
      await reader.stop();
    }
  });
});

describe('the cluster link with a certificate for each (cluster_mtls = pki)', () => {
  let database: Database;
  let cp: TestControlPlane;
  let certificates: string;
  const pair = (name: string, directory = certificates) => ({
    cert: readFileSync(join(directory, `${name}.crt`), 'utf8'),
    key: readFileSync(join(directory, `${name}.key`), 'utf8'),
  });
  before(async () => {
    database = await openEmbeddedDatabase(undefined);
    const first = await startTestControlPlane({ database });
    await first.stop();
    certificates = `${first.dataDir}-pki`;
    for (const node of ['cp-1', 'dp-1', 'stranger']) await createCertificates(certificates, node);
    await createCertificates(join(certificates, 'other'), 'dp-1');
    cp = await startTestControlPlane({
      database,
      env: {
        VAULTPLANE_CLUSTER_MTLS: 'pki',
        VAULTPLANE_CLUSTER_CA_CERT: join(certificates, 'ca.crt'),
        VAULTPLANE_CLUSTER_CERT: join(certificates, 'cp-1.crt'),
        VAULTPLANE_CLUSTER_CERT_KEY: join(certificates, 'cp-1.key'),
        VAULTPLANE_CLUSTER_ALLOWED_COMMON_NAMES: 'dp-1, dp-2',
      },
    });
  });
  after(async () => {
    await cp?.stop();
    await database?.close();
    rmSync(certificates, { recursive: true, force: true });
  });

  it('lets in who is signed by its CA and named', async () => {
    const dataPlane = await TestDataPlane.start({ controlPlane: cp, certificate: pair('dp-1') });
    await dataPlane.untilVersion(0);
    await dataPlane.stop();
  });

  it('refuses who is not named, signed by another CA, or shows nothing', async () => {
    const connect = (certificate: { cert: string; key: string } | null) =>
      TestDataPlane.connect({ controlPlane: cp, certificate });
    await assert.rejects(
      connect(pair('stranger')),
      /403 the common name "stranger" is not in cluster_allowed_common_names/,
    );
    await assert.rejects(
      connect(pair('dp-1', join(certificates, 'other'))),
      /403 the client certificate is not accepted: it is not signed by cluster_ca_cert, but by CN=vaultplane_cluster_ca/,
    );
    await assert.rejects(connect(null), /403 no client certificate/);
  });

  it('says of a certificate that it has expired, or is not for a client', { skip: noCertificates }, async () => {
    const file = (name: string) => join(certificates, name);
    const ca = { certFile: file('ca.crt'), keyFile: file('ca.key'), ...pair('ca') };
    const made = (options: object) => makeCertificate(certificates, 'dp-1', { ca, ...options });
    for (const [certificate, reason] of [
      [made({ days: -1 }), /403 the client certificate is not accepted: it has expired \(20\d\d-/],
      [
        made({ extensions: ['extendedKeyUsage=serverAuth'] }),
        /403 the client certificate is not accepted: it is not for a client/,
      ],
    ] as const) {
      await assert.rejects(TestDataPlane.connect({ controlPlane: cp, certificate }), reason);
    }
  });

  it('takes renewed certificates into use without dropping a link, and none that can not be used', async () => {
    const before = await TestDataPlane.start({ controlPlane: cp, certificate: pair('dp-1') });
    await before.untilVersion(0);
    // A node of its own, with another certificate of a name that is allowed.
    const others = join(certificates, 'others');
    mkdirSync(others);
    for (const name of ['ca.crt', 'ca.key']) copyFileSync(join(certificates, name), join(others, name));
    await createCertificates(others, 'dp-1');
    const other = {
      cert: readFileSync(join(others, 'dp-1.crt'), 'utf8'),
      key: readFileSync(join(others, 'dp-1.key'), 'utf8'),
    };
    const shown = async () => {
      const dataPlane = await TestDataPlane.start({ controlPlane: cp, certificate: other });
      await dataPlane.untilVersion(0);
      const fingerprint = (dataPlane.socket as unknown as { _socket: TLSSocket })._socket.getPeerX509Certificate()!
        .fingerprint256;
      await dataPlane.stop();
      return fingerprint;
    };
    const old = await shown();
    const status = async () =>
      ((await (await fetch(`${cp.statusUrl}/status`)).json()) as { cluster_certificate: { problem: string | null } })
        .cluster_certificate;
    // As a renewal in place does it: first one of the two files, and for a moment they do not fit.
    await createCertificates(certificates, 'cp-1-renewed');
    copyFileSync(join(certificates, 'cp-1-renewed.crt'), join(certificates, 'cp-1.crt'));
    await cp.rereadCertificates();
    assert.equal(await shown(), old);
    assert.match((await status()).problem!, /can't be used together/);
    copyFileSync(join(certificates, 'cp-1-renewed.key'), join(certificates, 'cp-1.key'));
    await cp.rereadCertificates();
    assert.notEqual(await shown(), old);
    assert.equal((await status()).problem, null);
    assert.equal(before.socket.readyState, before.socket.OPEN);
    await cp.call('PUT', '/vaults/after-renewal', { name: 'env' });
    await before.untilVersion(1);
    await before.stop();
  });
});
