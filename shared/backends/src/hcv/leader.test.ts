import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import { parsePolicy } from '@vaultplane/model/upstream-policy/policy-form.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { withDefaults } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { makeCertificate, noCertificates, type TestCertificate } from '@vaultplane/testkit/certificates.ts';
import type { BackendContext, Opening } from '../backend.ts';
import { Backends } from '../backends.ts';
import { noOpenBao, OpenBao } from '../testing/open-bao.ts';

const PUSHED: Opening = { origin: 'pushed' };

describe('a standby that sends its callers to the leader', { skip: noOpenBao() ?? noCertificates }, () => {
  let folder: string;
  let leader: OpenBao;
  let certificate: TestCertificate;
  let bundle: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vaultplane-leader-'));
    leader = await OpenBao.start({ tls: true });
    await leader.putSecret('db', { password: 'one' });
    certificate = makeCertificate(folder, 'standby', { names: ['127.0.0.1'] });
    bundle = certificate.cert + readFileSync(leader.caFile, 'utf8');
  });
  after(async () => {
    await leader?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A standby without request forwarding, and what it was asked. */
  async function standby(t: TestContext, location: (path: string) => string) {
    const asked: string[] = [];
    const server = createServer(certificate, (request, response) => {
      asked.push(request.url!);
      response.writeHead(307, { location: location(request.url!) }).end();
    });
    return { asked, port: await listening(t, server) };
  }

  async function listening(t: TestContext, server: Server | ReturnType<typeof createPlainServer>): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  /** Reads the secret by a vault that names the standby. */
  async function read(
    t: TestContext,
    port: number,
    config: VaultConfig = {},
    { opening = { origin: 'own' } as Opening, grants = [] as object[], trusted = [] as string[] } = {},
  ): Promise<string> {
    const policy = new UpstreamPolicy(parsePolicy(JSON.stringify({ grants }), { envPrefix: '' }));
    const context: BackendContext = {
      env: {},
      log: silentLog,
      trustedCertificates: trusted.length > 0 ? trusted : ['system'],
      deadlines: { connect: 20_000, total: 60_000 },
      counts: { calls: 0, errors: 0, throttled: 0 },
      upstreamPolicy: () => policy,
    };
    const backends = new Backends(context);
    t.after(() => backends.stop());
    const server = { protocol: 'https', host: '127.0.0.1', port, kv: 'v2', token: leader.rootToken };
    const vault = withDefaults(VAULT_TYPES.get('hcv')!, { ...server, ...config });
    const backend = await backends.open('hcv', vault, opening);
    return (await backend.fetch({ path: 'db', version: {} }, new AbortController().signal)).value.reveal();
  }

  const toLeader = (path: string) => `https://${leader.address}${path}`;
  /** Both servers are trusted by the node, and neither by the vault itself. */
  const bothTrusted = () => ({ trusted: [certificate.certFile, leader.caFile] });
  const grantOf = (port: number) => ({ type: 'hcv', destination: `https://127.0.0.1:${port}` });

  for (const opening of [{ origin: 'own' }, PUSHED] as Opening[]) {
    it(`is followed where the vault's ca_cert signs both, by a vault that is ${opening.origin}`, async (t) => {
      const { port, asked } = await standby(t, toLeader);
      assert.match(await read(t, port, { ca_cert: bundle }, { opening }), /one/);
      assert.ok(asked.includes('/v1/secret/data/db'), String(asked));
    });

    it(`is not where only the machine trusts the leader, by a vault that is ${opening.origin}`, async (t) => {
      const { port } = await standby(t, toLeader);
      await assert.rejects(read(t, port, {}, { opening, ...bothTrusted() }), {
        code: 'unavailable',
        message:
          /sends its callers elsewhere \(HTTP 307\): to https:\/\/127\.0\.0\.1:\d+, which is followed only where the vault has a ca_cert/,
      });
    });

    it(`is followed by a grant for the leader, by a vault that is ${opening.origin}`, async (t) => {
      const { port } = await standby(t, toLeader);
      const grants = [grantOf(leader.port)];
      assert.match(await read(t, port, {}, { opening, grants, ...bothTrusted() }), /one/);
    });
  }

  it('is not followed to a certificate of another CA, which is sent nothing', async (t) => {
    const received: string[] = [];
    const other = makeCertificate(folder, 'other', { names: ['127.0.0.1'] });
    const thief = await listening(
      t,
      createServer(other, (request, response) => {
        received.push(`${request.url} ${request.headers['x-vault-token']}`);
        response.end('{}');
      }),
    );
    const { port } = await standby(t, (path) => `https://127.0.0.1:${thief}${path}`);
    // The machine trusts it, and the vault does not.
    const trusted = [certificate.certFile, other.certFile];
    await assert.rejects(read(t, port, { ca_cert: certificate.cert }, { trusted }), {
      code: 'unavailable',
      message:
        /sends its callers to https:\/\/127\.0\.0\.1:\d+, which can't be reached \(\w+; its certificate must be .* ca_cert/,
    });
    assert.deepEqual(received, []);
  });

  it('is not followed over http, to a metadata address, to no address, or by a leader that is none', async (t) => {
    const plainRequests: string[] = [];
    const plain = await listening(
      t,
      createPlainServer((request, response) => {
        plainRequests.push(request.url!);
        response.end('{}');
      }),
    );
    for (const [location, message] of [
      [`http://127.0.0.1:${plain}/v1/x`, /only https is followed/],
      ['https://169.254.169.254/v1/x', /link-local or metadata address/],
      ['/v1/elsewhere', /no address that could be followed/],
    ] as const) {
      const { port } = await standby(t, () => location);
      const grants = [{ type: 'hcv', destination: `http://127.0.0.1:${plain}` }];
      await assert.rejects(read(t, port, { ca_cert: bundle }, { grants }), { code: 'unavailable', message });
    }
    assert.deepEqual(plainRequests, []);
    const second = await standby(t, toLeader);
    const first = await standby(t, (path) => `https://127.0.0.1:${second.port}${path}`);
    await assert.rejects(read(t, first.port, { ca_cert: bundle }), {
      message: /sends its callers elsewhere \(HTTP 307\)/,
    });
    assert.equal(second.asked.length, 1);
  });

  it('is not followed by a grant that does not cover what a pushed vault shows', async (t) => {
    const { port } = await standby(t, toLeader);
    const token = '{vault://env/HCV_TOKEN}';
    const policy = [{ ...grantOf(port), references: [token] }, grantOf(leader.port)];
    const backends = new Backends(
      {
        env: { HCV_TOKEN: leader.rootToken },
        log: silentLog,
        trustedCertificates: [certificate.certFile, leader.caFile],
        deadlines: { connect: 20_000, total: 60_000 },
        counts: { calls: 0, errors: 0, throttled: 0 },
        upstreamPolicy: () => new UpstreamPolicy(parsePolicy(JSON.stringify({ grants: policy }), { envPrefix: '' })),
      },
      { lookUpCredential: async () => leader.rootToken },
    );
    t.after(() => backends.stop());
    const vault = withDefaults(VAULT_TYPES.get('hcv')!, {
      protocol: 'https',
      host: '127.0.0.1',
      port,
      kv: 'v2',
      token,
    });
    const asking = backends.open('hcv', vault, PUSHED).then((backend) => {
      return backend.fetch({ path: 'db', version: {} }, new AbortController().signal);
    });
    await assert.rejects(asking, { message: /does not let what \{vault:\/\/env\/HCV_TOKEN\} stands for go to https/ });
  });
});
