import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Place } from '@vaultplane/backends/blob-store/place.ts';
import { encodeForMany, snapshotMessage } from '@vaultplane/model/protocol/protocol.ts';
import { ExportKey } from '@vaultplane/model/snapshots/export-key.ts';
import type { Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { encodeExport } from '@vaultplane/model/snapshots/snapshot-export.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { FakeClock, settled } from '@vaultplane/testkit/fake-clock.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { OTHER_TIMELINE, snapshotOf } from '../testing/vault-entities.ts';
import { openConfiguration } from './configuration.ts';
import { ConfigurationFallback, exportTrust, FALLBACK_EVERY_MS, FALLBACK_FIRST_MS } from './configuration-fallback.ts';

describe('config_fallback_url', { skip: noCertificates }, () => {
  const folder = temporaryFolder();

  async function begin(options: { have?: Snapshot } = {}) {
    const own = makeCertificate(folder, 'shared');
    const exportKey = ExportKey.generate();
    const clock = new FakeClock(Date.now());
    const { log, lines } = recordedLog();
    const configuration = await openConfiguration({ dataDir: mkdtempSync(join(folder, 'd-')), clock, log: silentLog });
    if (options.have) configuration.accept(options.have, {});
    let document: Buffer | undefined;
    let linked = false;
    let reads = 0;
    const place: Place = {
      name: 'file:///there',
      read: async () => {
        reads++;
        return document;
      },
      write: async () => {},
      stop() {},
    };
    const fallback = ConfigurationFallback.start({
      place,
      trust: () => ({ by: 'key', keys: [exportKey.publicKey] }),
      configuration,
      isLinked: () => linked,
      clock,
      log,
      random: () => 0.5,
    });
    return {
      fallback,
      configuration,
      clock,
      lines,
      reads: () => reads,
      version: () => configuration.current?.snapshot.version,
      link: (is: boolean) => {
        linked = is;
      },
      async put(snapshot: Snapshot, signer = exportKey) {
        document = encodeExport(
          await encodeForMany(snapshotMessage(snapshot)),
          { defaults: { vault_aws_region: 'eu-west-1' }, exportedAt: clock.now() },
          { certificate: own.cert, key: own.key },
          signer,
        );
      },
      async after(ms: number) {
        await clock.advance(ms);
        await settled();
      },
      async stop() {
        await fallback.stop();
        await configuration.stop();
      },
    };
  }

  it('gives a data plane that has nothing its first configuration when no control plane answers in time', async () => {
    const bench = await begin();
    await bench.put(snapshotOf(7, ['a']));
    await bench.after(FALLBACK_FIRST_MS - 1);
    assert.equal(bench.reads(), 0);
    await bench.after(1);
    const { current } = bench.configuration;
    assert.deepEqual([current?.source, current?.snapshot], ['fallback', snapshotOf(7, ['a'])]);
    assert.deepEqual(current?.defaults, { vault_aws_region: 'eu-west-1' });
    assert.equal(bench.fallback.error, null);
    await bench.stop();
  });

  it('is not looked at while there is a link, and again once that is gone', async () => {
    const bench = await begin({ have: snapshotOf(1, ['a']) });
    await bench.put(snapshotOf(2, ['b']));
    bench.link(true);
    await bench.after(10 * FALLBACK_EVERY_MS);
    assert.equal(bench.reads(), 0);
    bench.link(false);
    await bench.after(FALLBACK_EVERY_MS);
    assert.equal(bench.configuration.current?.snapshot.version, 2);
    await bench.stop();
  });

  it('takes nothing back: no older version, and no other timeline than the one in use', async () => {
    const have = snapshotOf(5, ['a']);
    const bench = await begin({ have });
    for (const other of [snapshotOf(4, []), snapshotOf(5, ['b']), snapshotOf(9, [], OTHER_TIMELINE)]) {
      await bench.put(other);
      await bench.after(FALLBACK_EVERY_MS);
      assert.deepEqual(bench.configuration.current?.snapshot, have);
      assert.equal(bench.configuration.current?.source, 'control_plane');
    }
    assert.ok(bench.reads() >= 3);
    await bench.stop();
  });

  it('is used only with a right signature, says so otherwise, and is tried again', async () => {
    const bench = await begin();
    await bench.put(snapshotOf(7, ['a']), ExportKey.generate());
    await bench.after(FALLBACK_FIRST_MS);
    assert.ok(!bench.configuration.current);
    assert.match(bench.fallback.error ?? '', /^file:\/\/\/there: it is not signed by the export key/);
    assert.equal(bench.lines().filter(({ level }) => level === 'warn').length, 1);
    await bench.after(FALLBACK_EVERY_MS);
    assert.equal(bench.lines().filter(({ level }) => level === 'warn').length, 1, 'the same failure is logged once');
    await bench.put(snapshotOf(7, ['a']));
    await bench.after(FALLBACK_EVERY_MS);
    assert.deepEqual(bench.version(), 7);
    await bench.stop();
  });

  it('gives way to a control plane that has something newer, and keeps what that has not yet', async () => {
    const bench = await begin();
    await bench.put(snapshotOf(7, ['a']));
    await bench.after(FALLBACK_FIRST_MS);
    assert.equal(bench.configuration.accept(snapshotOf(6, []), {}), 'older');
    assert.equal(bench.configuration.current?.source, 'fallback');
    assert.equal(bench.configuration.accept(snapshotOf(7, ['a']), {}), 'confirmed');
    assert.equal(bench.configuration.current?.source, 'control_plane');
    assert.equal(bench.configuration.accept(snapshotOf(8, ['b']), {}), 'applied');
    await bench.stop();
  });

  it('trusts the export key under shared, and one that is configured; else those that the link would, for the right name', () => {
    const endpoints = [
      { host: 'cp-1', port: 1 },
      { host: 'cp-2', port: 1 },
    ];
    const keys = [ExportKey.generate().publicKey];
    const [nobody, pinned, configured] = [
      { keys: [], configured: undefined },
      { keys, configured: undefined },
      { keys, configured: keys },
    ];
    const shared = { certificate: 'c', key: 'k', mtls: 'shared' } as const;
    assert.throws(() => exportTrust(shared, endpoints, nobody), /set config_export_public_key/);
    assert.deepEqual(exportTrust(shared, endpoints, pinned), { by: 'key', keys });
    assert.deepEqual(exportTrust(shared, endpoints, configured), { by: 'key', keys });
    const pki = { certificate: 'c', key: 'k', mtls: 'pki', ca: 'ca', allowedCommonNames: ['x'] } as const;
    const trust = { by: 'authority', ca: 'ca', allowedCommonNames: ['x'], strictUsage: false };
    assert.deepEqual(exportTrust(pki, endpoints, nobody), { ...trust, names: ['cp-1', 'cp-2'] });
    assert.deepEqual(exportTrust({ ...pki, serverName: 'cp' }, endpoints, pinned), { ...trust, names: ['cp'] });
    assert.deepEqual(exportTrust(pki, endpoints, configured), { by: 'key', keys });
    const strict = exportTrust({ ...pki, strictUsage: true }, endpoints, nobody);
    assert.ok(strict.by === 'authority' && strict.strictUsage);
    const enrolled = exportTrust({ ...pki, mtls: 'enrolled' }, endpoints, nobody);
    assert.ok(enrolled.by === 'authority' && enrolled.strictUsage);
  });
});
