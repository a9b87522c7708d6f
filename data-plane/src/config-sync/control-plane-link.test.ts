import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { deltaMessage, snapshotMessage } from '@vaultplane/model/protocol/protocol.ts';
import { diffSnapshots } from '@vaultplane/model/snapshots/snapshot.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import { HttpProxy } from '@vaultplane/testkit/http-proxy.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { TestControlPlane, type TestControlPlaneOptions } from '../testing/test-control-plane.ts';
import { OTHER_TIMELINE, snapshotOf, TIMELINE } from '../testing/vault-entities.ts';
import { openConfiguration } from './configuration.ts';
import {
  FIRST_BACKOFF_MS,
  HANDSHAKE_TIMEOUT_MS,
  type LinkOptions,
  LONGEST_BACKOFF_MS,
  startControlPlaneLink,
} from './control-plane-link.ts';
import type { LinkCredentials } from './link-credentials.ts';
import { TrustedKeys } from './trusted-keys.ts';

describe('the link to a control plane', { skip: noCertificates }, () => {
  const folder = temporaryFolder();
  const running: Array<{ stop(): Promise<void> }> = [];
  after(async () => {
    for (const part of running.reverse()) await part.stop();
  });
  const keep = <T extends { stop(): Promise<void> }>(part: T): T => {
    running.push(part);
    return part;
  };
  const controlPlane = async (options: Partial<TestControlPlaneOptions> & { certificate: TestCertificate }) =>
    keep(await TestControlPlane.start({ snapshot: snapshotOf(1, ['a']), ...options }));
  const shared = ({ cert, key }: TestCertificate): LinkCredentials => ({ certificate: cert, key, mtls: 'shared' });

  async function dataPlane(options: Partial<LinkOptions> & Pick<LinkOptions, 'endpoints' | 'credentials'>) {
    const { log, lines } = recordedLog();
    const dataDir = mkdtempSync(join(folder, 'data-'));
    const configuration = keep(await openConfiguration({ dataDir, clock: systemClock, log }));
    const link = keep(
      startControlPlaneLink({
        identity: { nodeId: TIMELINE, hostname: 'host', programVersion: '1.2.3', labels: {} },
        configuration,
        trusted: await TrustedKeys.open({ setting: undefined, dataDir, log }),
        report: () => ({ references: { fresh: 0, stale: 0, resurrected: 0, negative: 0 }, rejected_vaults: [] }),
        inventory: () => [],
        carryOut: async ({ id }) => ({
          ...{ type: 'command_result', id, status: 'done', asked: 0, refreshed: 0, changed: 0, failed: 0 },
        }),
        clock: systemClock,
        log,
        random: () => 0,
        ...options,
      }),
    );
    /** There is no event for what the link's state says. */
    const until = async (holds: () => boolean) => {
      const end = performance.now() + 30_000;
      while (!holds()) {
        assert.ok(performance.now() < end, `not so in time: ${JSON.stringify(link.state())}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    return { link, configuration, lines, until, version: () => configuration.current?.snapshot.version };
  }

  it('brings the configuration, by the shared certificate', async () => {
    const own = makeCertificate(folder, 'shared');
    const cp = await controlPlane({ certificate: own });
    const dp = await dataPlane({ endpoints: [cp.address], credentials: async () => shared(own) });
    const ack = await cp.message('ack');
    assert.equal(ack.hash, snapshotOf(1, ['a']).hash);
    assert.deepEqual(dp.configuration.current?.snapshot, snapshotOf(1, ['a']));
    assert.equal(dp.link.state().connected, true);
    assert.equal(dp.link.state().lastError, null);
  });

  it('takes nothing from a control plane that it can not verify, tells it nothing, and says what is wrong', async () => {
    const ca = makeCertificate(folder, 'ca');
    const own = makeCertificate(folder, 'dp-1', { ca });
    const pki = (changes: Partial<LinkCredentials> = {}): LinkCredentials => ({
      certificate: own.cert,
      key: own.key,
      mtls: 'pki',
      ca: ca.cert,
      ...changes,
    });
    const right = { ca, names: ['127.0.0.1'] };
    const sharedOwn = makeCertificate(folder, 'shared');
    const expiredShared = makeCertificate(folder, 'shared', { days: -1 });
    const cases: Array<[RegExp, TestCertificate, LinkCredentials, 'TLSv1.2'?]> = [
      [
        /shows another certificate than this data plane's cluster_cert/,
        makeCertificate(folder, 'shared'),
        shared(sharedOwn),
      ],
      [/certificate has expired/, expiredShared, shared(expiredShared)],
      [
        /not signed by cluster_ca_cert/,
        makeCertificate(folder, 'cp', { ca: makeCertificate(folder, 'ca'), names: ['127.0.0.1'] }),
        pki(),
      ],
      [/not signed by cluster_ca_cert/, makeCertificate(folder, 'cp', { names: ['127.0.0.1'] }), pki()],
      [/certificate has expired/, makeCertificate(folder, 'cp', { ...right, days: -1 }), pki()],
      [
        /for another name; set cluster_server_name/,
        makeCertificate(folder, 'cp', { ca, names: ['cp.internal'] }),
        pki(),
      ],
      [
        /common name cp, which cluster_allowed_common_names does not allow/,
        makeCertificate(folder, 'cp', right),
        pki({ allowedCommonNames: ['cp-1', 'cp-2'] }),
      ],
      [
        /not for a server/,
        makeCertificate(folder, 'cp', {
          ...right,
          extensions: ['extendedKeyUsage=clientAuth', 'subjectAltName=IP:127.0.0.1'],
        }),
        pki(),
      ],
      [/TLS 1\.3/, makeCertificate(folder, 'cp', right), pki(), 'TLSv1.2'],
    ];
    for (const [reason, certificate, credentials, maxVersion] of cases) {
      const cp = await controlPlane({ certificate, ca: ca.cert, ...(maxVersion && { maxVersion }) });
      const dp = await dataPlane({ endpoints: [cp.address], credentials: async () => credentials });
      await dp.until(() => dp.link.state().lastError !== null);
      assert.match(dp.link.state().lastError!, reason);
      await dp.link.stop();
      assert.ok(!dp.configuration.current);
      assert.deepEqual(cp.received, []);
      assert.deepEqual(cp.links, []);
    }
  });

  it('goes by cluster_server_name where that is set, and by allowed common names', async () => {
    const ca = makeCertificate(folder, 'ca');
    const own = makeCertificate(folder, 'dp-1', { ca });
    const cp = await controlPlane({
      certificate: makeCertificate(folder, 'cp-1', { ca, names: ['cp.internal'] }),
      ca: ca.cert,
    });
    const credentials: LinkCredentials = {
      ...{ certificate: own.cert, key: own.key, mtls: 'pki', ca: ca.cert },
      ...{ serverName: 'cp.internal', allowedCommonNames: ['cp-1'] },
    };
    const dp = await dataPlane({ endpoints: [cp.address], credentials: async () => credentials });
    await cp.message('ack');
    assert.equal(dp.version(), 1);
  });

  it('comes about as soon as certificates are renewed, on either side', async () => {
    const ca = makeCertificate(folder, 'ca');
    const valid = () => makeCertificate(folder, 'node', { ca, names: ['127.0.0.1'] });
    const expired = makeCertificate(folder, 'node', { ca, names: ['127.0.0.1'], days: -1 });
    let own = expired;
    let cp = await controlPlane({ certificate: expired, ca: ca.cert });
    const { address } = cp;
    const dp = await dataPlane({
      endpoints: [address],
      credentials: async () => ({ certificate: own.cert, key: own.key, mtls: 'pki', ca: ca.cert }),
    });
    await dp.until(() => /control plane's certificate has expired/.test(dp.link.state().lastError ?? ''));
    await cp.stop();
    cp = await controlPlane({ certificate: valid(), ca: ca.cert, port: address.port });
    // This one only hangs up; a real one says why.
    await dp.until(() => !/control plane's certificate/.test(dp.link.state().lastError ?? ''));
    assert.ok(!dp.configuration.current);
    own = valid();
    await cp.message('ack');
    assert.equal(dp.version(), 1);
  });

  it('goes through a proxy by CONNECT, with and without credentials, and names what the proxy has against it', async () => {
    const own = makeCertificate(folder, 'shared');
    const cp = await controlPlane({ certificate: own });
    const [open, closed] = [keep(await HttpProxy.start()), keep(await HttpProxy.start({ credentials: 'me:c4n4ry ü' }))];
    const through = (url: URL) =>
      dataPlane({
        endpoints: [cp.address],
        credentials: async () => shared(own),
        proxy: { url, verify: true, trusted: [] },
      });
    for (const [index, proxy] of [open.url(), closed.url('me:c4n4ry%20%C3%BC')].entries()) {
      const dp = await through(proxy);
      await cp.message('ack', index + 1);
      assert.equal(dp.version(), 1);
      await dp.link.stop();
    }
    assert.deepEqual(open.asked, [`127.0.0.1:${cp.address.port}`]);

    const gone = await HttpProxy.start();
    const goneUrl = gone.url();
    await gone.stop();
    for (const [proxy, reason] of [
      [closed.url(), /^proxy_server does not connect to 127\.0\.0\.1:\d+: it wants other credentials$/],
      [closed.url('me:c4n4ry-wrong'), /it wants other credentials/],
      [goneUrl, /^proxy_server does not connect .*ECONNREFUSED/],
    ] as const) {
      const dp = await through(proxy);
      await dp.until(() => dp.link.state().lastError !== null);
      assert.match(dp.link.state().lastError!, reason);
      assert.ok(!dp.configuration.current);
      assert.doesNotMatch(JSON.stringify(dp.lines()), /c4n4ry/);
      await dp.link.stop();
    }
  });

  it('is sought at the next endpoint for ever, with full jitter', async () => {
    const own = makeCertificate(folder, 'shared');
    const waits: number[] = [];
    const enough = Promise.withResolvers<void>();
    // A clock on which pauses take no time, and nothing times out.
    const clock: Clock = {
      ...systemClock,
      after(delayMs, task) {
        if (delayMs === HANDSHAKE_TIMEOUT_MS) return () => {};
        waits.push(delayMs);
        if (waits.length === 12) enough.resolve();
        const immediate = setImmediate(task);
        return () => clearImmediate(immediate);
      },
    };
    const gone = await controlPlane({ certificate: own });
    const { port } = gone.address;
    await gone.stop();
    const dp = await dataPlane({
      endpoints: [
        { host: '127.0.0.1', port },
        { host: 'localhost', port },
      ],
      credentials: async () => shared(own),
      clock,
      random: () => 0.25,
    });
    await enough.promise;
    await dp.link.stop();
    const longest = waits.slice(0, 12).map((wait) => wait / 0.25);
    assert.deepEqual(
      longest.slice(0, 4),
      [1, 2, 4, 8].map((times) => times * FIRST_BACKOFF_MS),
    );
    assert.deepEqual(longest.slice(-3), Array(3).fill(LONGEST_BACKOFF_MS));
    const failures = dp.lines().filter(({ msg }) => /no link to the control plane/.test(String(msg)));
    assert.deepEqual(
      failures.slice(0, 3).map(({ control_plane }) => control_plane),
      [`127.0.0.1:${port}`, `localhost:${port}`, `127.0.0.1:${port}`],
    );
    assert.equal(failures.filter(({ level }) => level === 'warn').length, 2, 'once an endpoint, not at every try');
  });

  it('moves to another control plane when its own has gone, and takes on from where it was', async () => {
    const own = makeCertificate(folder, 'shared');
    const [one, two] = [await controlPlane({ certificate: own }), await controlPlane({ certificate: own })];
    const dp = await dataPlane({ endpoints: [one.address, two.address], credentials: async () => shared(own) });
    await one.message('ack');
    await one.stop();
    const hello = await two.message('hello');
    assert.equal(hello.config?.version, 1);
    await dp.until(() => dp.link.state().connected);
    assert.equal(dp.link.state().endpoint, `127.0.0.1:${two.address.port}`);
    const later = snapshotOf(2, ['a', 'b']);
    two.send(deltaMessage(diffSnapshots(two.snapshot!, later)));
    await dp.until(() => dp.version() === 2);
    assert.equal(dp.configuration.current?.source, 'control_plane');
  });

  it('never takes it back to an older version, over any number of links, but by a new timeline, which is logged and shown', async () => {
    const own = makeCertificate(folder, 'shared');
    const cp = await controlPlane({ certificate: own, snapshot: snapshotOf(5, ['a']) });
    const dp = await dataPlane({ endpoints: [cp.address], credentials: async () => shared(own) });
    await cp.message('ack');
    cp.snapshot = snapshotOf(3, []);
    cp.dropLinks();
    const ack = await cp.message('ack', 2);
    assert.equal(ack.version, 5);
    assert.equal(dp.version(), 5);
    assert.equal(dp.configuration.timelineChange, null);

    cp.snapshot = snapshotOf(2, ['restored'], OTHER_TIMELINE);
    cp.dropLinks();
    await dp.until(() => dp.configuration.current?.snapshot.timeline === OTHER_TIMELINE);
    assert.equal(dp.version(), 2);
    const { from, to } = dp.configuration.timelineChange!;
    assert.deepEqual([from.timeline, from.version, to.timeline, to.version], [TIMELINE, 5, OTHER_TIMELINE, 2]);
    assert.ok(dp.lines().some(({ msg }) => /new timeline/.test(String(msg))));
  });

  it('ends with a message that is none, and that harms nothing: what is in use stays, and the next link is sought', async () => {
    const own = makeCertificate(folder, 'shared');
    const cp = await controlPlane({ certificate: own });
    const dp = await dataPlane({ endpoints: [cp.address], credentials: async () => shared(own) });
    const wrong = [Buffer.from([0xc1]), Buffer.from('garbage'), 'text'];
    for (const [index, bytes] of wrong.entries()) {
      await cp.message('ack', index + 1);
      const { link } = cp;
      const closed = new Promise((resolve) => link.once('close', resolve));
      link.send(bytes);
      assert.equal(await closed, 1002);
      assert.equal(dp.version(), 1);
    }
    await cp.message('ack', wrong.length + 1);
    // A snapshot of which one part is not as its hash says changes nothing at all.
    cp.send(snapshotMessage({ ...snapshotOf(2, ['a', 'b']), hash: snapshotOf(2, ['a', 'c']).hash }));
    const nack = await cp.message('nack');
    assert.match(nack.reason, /hash of version 2 is wrong/);
    assert.deepEqual(dp.configuration.current?.snapshot, snapshotOf(1, ['a']));
  });
});
