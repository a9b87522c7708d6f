import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { proveControlPlane } from '@vaultplane/model/protocol/control-plane-proof.ts';
import { ExportKey, publicKeyPem } from '@vaultplane/model/snapshots/export-key.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { PIN_FILE, pinKeys, readTrustedKeys, TrustedKeys } from './trusted-keys.ts';

describe('the export keys that a data plane trusts', { skip: noCertificates }, () => {
  const folder = temporaryFolder();
  let server: Server;
  /** The two ends of a TLS session. */
  let session: () => Promise<{ client: TLSSocket; server: TLSSocket }>;
  const opened: TLSSocket[] = [];
  before(async () => {
    const { cert, key } = makeCertificate(folder, 'shared');
    server = createServer({ cert, key, minVersion: 'TLSv1.3' });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    session = async () => {
      const { port } = server.address() as AddressInfo;
      const arrived = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve));
      const client = connect({ host: '127.0.0.1', port, ca: cert, checkServerIdentity: () => undefined });
      await new Promise((resolve, reject) => client.once('secureConnect', resolve).once('error', reject));
      opened.push(client);
      return { client, server: await arrived };
    };
  });
  after(() => {
    for (const socket of opened) socket.destroy();
    server?.close();
  });

  async function begin(setting?: string) {
    const dataDir = mkdtempSync(join(folder, 'd-'));
    const { log, lines } = recordedLog();
    const trusted = await TrustedKeys.open({ setting, dataDir, log });
    return { dataDir, trusted, lines, pin: join(dataDir, PIN_FILE), log };
  }

  /** A control plane with this key, or none, is met. */
  async function meet(trusted: TrustedKeys, key: ExportKey | undefined): Promise<void> {
    await trusted.look();
    const { client, server: theirs } = await session();
    trusted.check(client, key && proveControlPlane(theirs, key));
    await trusted.stop();
  }
  const refuses = (trusted: TrustedKeys, key: ExportKey | undefined, message: RegExp) =>
    assert.rejects(meet(trusted, key), { name: 'UnprovenControlPlane', message });

  it('are the first that a control plane proves, for this process and those after it', async () => {
    const { trusted, dataDir, pin, log } = await begin();
    const [first, second] = [ExportKey.generate(), ExportKey.generate()];
    // One of 0.1.0, which has none to show, says nothing of who comes next.
    await meet(trusted, undefined);
    assert.deepEqual(trusted.facts, { source: null, sha256: [], problem: null });
    await meet(trusted, first);
    assert.deepEqual(trusted.facts, { source: 'pinned', sha256: [first.publicKey.fingerprint], problem: null });
    assert.equal(readFileSync(pin, 'utf8'), publicKeyPem(first.publicKey));
    for (const process of [trusted, await TrustedKeys.open({ setting: undefined, dataDir, log })]) {
      await refuses(
        process,
        second,
        /that is pinned in data_dir .*; it has another: SHA-256 .*vaultplane-dp trust FILE/,
      );
      await refuses(process, undefined, /it shows none/);
      assert.match(process.facts.problem ?? '', /it shows none/);
      await meet(process, first);
      assert.equal(process.facts.problem, null);
    }
  });

  it('are proven for one TLS session and one purpose alone', async () => {
    const key = ExportKey.generate();
    const { trusted } = await begin();
    const [one, other] = [await session(), await session()];
    const proof = proveControlPlane(one.server, key);
    assert.throws(() => trusted.check(other.client, proof), /the proof of the control plane that it is one is wrong/);
    const material = one.client.exportKeyingMaterial(32, 'EXPERIMENTAL vaultplane control plane', Buffer.alloc(0));
    for (const wrong of [
      { ...proof, signature: key.sign('config.export', material) },
      { ...proof, signature: new Uint8Array(0) },
      { ...proof, signature: new Uint8Array(100_000) },
      { ...proof, public_key: ExportKey.generate().publicKey.spki },
      { ...proof, public_key: new Uint8Array(1_000_000) },
    ]) {
      assert.throws(() => trusted.check(one.client, wrong), /the proof of the control plane that it is one is wrong/);
    }
    assert.equal(trusted.facts.source, null);
    trusted.check(one.client, proof);
    assert.equal(trusted.facts.source, 'pinned');
    await trusted.stop();
  });

  it('are what an operator says, while the data plane runs: other keys, two of them, or none again', async () => {
    const { trusted, dataDir, pin } = await begin();
    const [first, second, third] = [ExportKey.generate(), ExportKey.generate(), ExportKey.generate()];
    await meet(trusted, first);
    await pinKeys(dataDir, [second.publicKey, third.publicKey]);
    await refuses(trusted, first, /it has another/);
    await meet(trusted, second);
    await meet(trusted, third);
    rmSync(pin);
    await meet(trusted, undefined);
    await meet(trusted, first);
    assert.deepEqual(trusted.facts.sha256, [first.publicKey.fingerprint]);
    assert.ok(existsSync(pin));
  });

  it('are those before while their file can not be read; at a start nobody is believed then', async () => {
    const { trusted, pin, dataDir, log, lines } = await begin();
    const key = ExportKey.generate();
    await meet(trusted, key);
    writeFileSync(pin, 'damaged');
    await meet(trusted, key);
    await refuses(trusted, ExportKey.generate(), /it has another/);
    assert.equal(lines().filter(({ level }) => level === 'error').length, 1, 'told once');
    const next = await TrustedKeys.open({ setting: undefined, dataDir, log });
    await refuses(next, key, /control-plane\.pub can't be used: it holds no public key/);
    assert.equal(readFileSync(pin, 'utf8'), 'damaged', 'what a human is to look at is not written over');
  });

  it('hold for the process where the disk does not take them, and are written once it does', async (t) => {
    const { trusted, dataDir, pin, lines } = await begin();
    const key = ExportKey.generate();
    // A folder in the file's place: also root can't write there.
    rmSync(dataDir, { recursive: true });
    await meet(trusted, key);
    t.after(() => mkdirSync(dataDir, { recursive: true }));
    assert.ok(lines().some(({ level, msg }) => level === 'error' && /can not be pinned on disk/.test(String(msg))));
    await refuses(trusted, ExportKey.generate(), /it has another/);
    mkdirSync(dataDir);
    await meet(trusted, key);
    assert.ok(existsSync(pin));
  });

  it('are those of config_export_public_key, in any of its forms, and nothing is pinned then', async () => {
    const p384 = ExportKey.parse(
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    );
    for (const key of [ExportKey.generate(), p384]) {
      const pem = publicKeyPem(key.publicKey);
      const file = join(folder, 'export.pub');
      writeFileSync(file, pem);
      const base64 = Buffer.from(pem).toString('base64');
      for (const setting of [pem, pem.trim(), base64, key.publicKey.spki.toString('base64'), file]) {
        const { trusted, pin } = await begin(setting);
        await meet(trusted, key);
        await refuses(trusted, ExportKey.generate(), /of config_export_public_key .*it has another/);
        await refuses(trusted, undefined, /it shows none/);
        assert.equal(trusted.facts.source, 'config_export_public_key');
        assert.ok(!existsSync(pin));
      }
    }
  });

  it('are never shown where something else is set in their place', async () => {
    const key = ExportKey.generate();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const canary = 'canary-7f3a-not-to-be-shown';
    const file = join(folder, 'wrong');
    writeFileSync(file, canary);
    for (const [setting, reason] of [
      [key.pem, /holds a private key/],
      [Buffer.from(key.pem).toString('base64'), /holds a private key/],
      [rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string, /must be an Ed25519 or P-384 key/],
      [
        `-----BEGIN PUBLIC KEY-----\n${Buffer.from(canary).toString('base64')}\n-----END PUBLIC KEY-----`,
        /can not be read/,
      ],
      [canary, /\(not shown\) is no key, and no file that can be read \(ENOENT\)/],
      [Buffer.from(canary).toString('base64'), /\(not shown\) is no key/],
      [file, /holds no public key/],
      [folder, /it is a folder, not a regular file/],
    ] as const) {
      await assert.rejects(readTrustedKeys(setting), (error: Error) => {
        assert.match(error.message, reason);
        assert.doesNotMatch(error.message, /\n/);
        const body = key.pem.split('\n')[1]!;
        const spellings = [
          canary,
          Buffer.from(canary).toString('base64').slice(0, 20),
          body,
          Buffer.from(body).toString('base64'),
        ];
        return spellings.every((spelling) => !error.message.includes(spelling));
      });
    }
  });

  it('are in a file that the data plane can read whoever has written it', async () => {
    const { dataDir, pin } = await begin();
    chmodSync(dataDir, 0o700);
    await pinKeys(dataDir, [ExportKey.generate().publicKey]);
    assert.equal(statSync(pin).mode & 0o777, 0o644);
  });
});
