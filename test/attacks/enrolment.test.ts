import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeAuthority, makeServerCertificate } from '@vaultplane/control-plane/fleet/certificate-maker.ts';
import {
  type PostgresServer,
  postgresMissing,
  startPostgresServer,
} from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { makePrivateKey, signingRequest } from '@vaultplane/data-plane/enrolment/signing-request.ts';
import {
  ENROLLED_SERVER_NAME,
  JOIN_PATH,
  parseJoinToken,
  printJoinToken,
  RENEW_PATH,
} from '@vaultplane/model/protocol/enrolment.ts';
import { publicKeyPin } from '@vaultplane/platform/crypto/certificate-chain.ts';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, type ControlPlane, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { ENROLLED, invite, joinBy, planJoiner, run } from '../e2e/enrolled.ts';
import { identityOf, openLink, openSslRequest, post } from './enrolment-client.ts';

type Start = (deployment: Deployment) => Promise<{ env: NodeJS.ProcessEnv; stop: () => Promise<void> }>;

/** The attacks, against a control plane on this database. */
function enrolmentOn(database: string, start: Start): void {
  describe(`enrolment, ${database}`, { skip: noCertificates }, () => {
    let deployment: Deployment;
    let cp: ControlPlane;
    let stopDatabase = async () => {};
    let env: NodeJS.ProcessEnv;
    before(async () => {
      deployment = new Deployment();
      const started = await start(deployment);
      env = { ...ENROLLED, ...started.env };
      stopDatabase = started.stop;
      cp = await deployment.planControlPlane('cp', env);
      await cp.start();
      await cp.putVault('one', { name: 'env' });
    });
    after(async () => {
      await deployment?.stop();
      await stopDatabase();
    });

    /** A node that has joined, and its id. */
    async function joined(name: string, more: NodeJS.ProcessEnv = {}): Promise<{ dp: DataPlane; id: string }> {
      const dp = await planJoiner(deployment, name, cp, more);
      const result = await joinBy(await invite(cp), dp, '--json');
      assert.equal(result.status, 0, result.stderr);
      return { dp, id: JSON.parse(result.stdout).node_id };
    }

    it('a node joins, links, and is who the control plane says, with the labels of its invitation', async () => {
      const token = await invite(cp, '--name', 'machine-1', '--labels', 'zone:a,tier:shop');
      const dp = await planJoiner(deployment, 'machine-1', cp, { VAULTPLANE_CLUSTER_DP_LABELS: 'zone:mine' });
      const result = await joinBy(token, dp, '--json');
      assert.equal(result.status, 0, result.stderr);
      const facts = JSON.parse(result.stdout);
      assert.deepEqual([facts.joined, facts.name, facts.labels], [true, 'machine-1', { zone: 'a', tier: 'shop' }]);
      assert.equal(statSync(join(dp.dataDir, 'identity.pem')).mode & 0o777, 0o600);
      const again = await joinBy(token, dp);
      assert.deepEqual([again.status, /has joined already/.test(again.stdout)], [0, true]);

      const program = await dp.start();
      await dp.caughtUpWith(cp);
      const { data } = (await cp.get('/clustering/data-planes')) as { data: Array<Record<string, unknown>> };
      assert.deepEqual(
        data.filter(({ id }) => id === facts.node_id).map(({ connected, labels }) => [connected, labels]),
        [[true, { zone: 'a', tier: 'shop' }]],
      );
      await program.stop();
      // Who joined by what is in the audit log; no token is anywhere but where it was printed.
      const audit = (await cp.get('/audit/requests')) as { data: Array<{ path: string; actor: string }> };
      assert.ok(
        audit.data.some(({ path, actor }) => path === `/v1/join/${facts.node_id}` && actor.startsWith('invitation ')),
      );
      assert.deepEqual(deployment.filesWith([token, token.slice(21, 64)]), []);
      // And the key is on the node alone: in one file, which nobody else reads.
      const [, line] = (await identityOf(dp)).key.split('\n');
      assert.deepEqual(deployment.filesWith([line!]), [join('machine-1', 'identity.pem')]);
    });

    it("a data plane's certificate makes no control plane: neither another node nor a joiner takes it", async () => {
      const thief = await joined('thief');
      const victim = await joined('victim');
      const stolen = await identityOf(thief.dp);
      const heard: string[] = [];
      const fake = createServer(
        { cert: `${stolen.certificate}\n${stolen.ca}`, key: stolen.key },
        (request, response) => {
          heard.push(`${request.method} ${request.url}`);
          response.end();
        },
      );
      fake.on('upgrade', (request) => heard.push(`upgrade ${request.url}`));
      await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
      const address = `127.0.0.1:${(fake.address() as AddressInfo).port}`;

      victim.dp.env.VAULTPLANE_CLUSTER_CONTROL_PLANE = address;
      const program = await victim.dp.startUnready();
      const error = async () =>
        ((await victim.dp.status()).control_plane as unknown as { last_error: string | null }).last_error;
      await until('the link is refused', async () => (await error()) !== null);
      assert.match((await error())!, /certificate is not for a server/);
      await program.stop();

      const joiner = await planJoiner(deployment, 'joiner', cp, { VAULTPLANE_CLUSTER_CONTROL_PLANE: address });
      const result = await joinBy(await invite(cp), joiner);
      assert.equal(result.status, 1);
      assert.match(result.stderr, /is not this token's control plane: .*not for a server; the token was not sent\n$/);
      assert.deepEqual(heard, []);
      await new Promise((resolve) => fake.close(resolve));
    });

    it('a fake control plane with another CA, of the same name too, is not told the token', async () => {
      const heard: string[] = [];
      const authority = await makeAuthority();
      const pair = await makeServerCertificate(authority, {
        commonName: 'fake',
        name: ENROLLED_SERVER_NAME,
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 3_600_000),
      });
      const real = new X509Certificate((await identityOf((await joined('knows-the-ca')).dp)).ca);
      // The real CA's certificate is no secret: a fake shows it too, beside its own.
      for (const chain of [authority.certificate, real.toString(), `${authority.certificate}\n${real}`]) {
        const fake = createServer({ cert: `${pair.certificate}\n${chain}`, key: pair.key }, (request, response) => {
          heard.push(`${request.method} ${request.url}`);
          response.end();
        });
        await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
        const address = `127.0.0.1:${(fake.address() as AddressInfo).port}`;
        const dp = await planJoiner(deployment, 'fooled', cp, { VAULTPLANE_CLUSTER_CONTROL_PLANE: address });
        const result = await joinBy(await invite(cp), dp);
        assert.equal(result.status, 1, result.stdout);
        assert.match(result.stderr, /is not this token's control plane: .*; the token was not sent\n$/);
        await new Promise((resolve) => fake.close(resolve));
      }
      assert.deepEqual(heard, []);
    });

    it('an invitation for no whole number of nodes is refused, in words', async () => {
      for (const uses of ['0', 'many', '1000001']) {
        const { status, stdout, stderr } = await run(CONTROL_PLANE_MAIN, ['node', 'invite', `--uses=${uses}`], cp.env);
        assert.deepEqual([status, stdout], [2, ''], uses);
        assert.match(stderr, /--uses must be a whole number from 1 to 1000000, or unlimited\n/, uses);
      }
      for (const ttl of ['0s', '3651d']) {
        const { status, stderr } = await run(CONTROL_PLANE_MAIN, ['node', 'invite', '--ttl', ttl], cp.env);
        assert.equal(status, 2, ttl);
        assert.match(stderr, /--ttl must be a number and a unit, .* up to 3650d, or never\n/, ttl);
      }
    });

    it('what is no object is no request to join, and no answer to one', async () => {
      for (const path of [JOIN_PATH, RENEW_PATH]) {
        for (const body of [null, [], 7, 'a-token']) {
          const answer = await post(cp, path, body);
          assert.deepEqual(
            [answer.status, answer.body],
            [400, { code: 'bad_request', message: 'the body must be a JSON object' }],
            `${path} ${JSON.stringify(body)}`,
          );
        }
      }
      // A control plane that this token pins, and that answers nonsense.
      const authority = await makeAuthority();
      const pair = await makeServerCertificate(authority, {
        commonName: 'odd',
        name: ENROLLED_SERVER_NAME,
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 3_600_000),
      });
      const token = parseJoinToken(await invite(cp))!;
      const pinned = printJoinToken({ ...token, pin: publicKeyPin(new X509Certificate(authority.certificate)) });
      for (const text of ['null', '[]', '7', '"x"', '{"node_id":null}', '{', '']) {
        const odd = createServer(
          { cert: `${pair.certificate}\n${authority.certificate}`, key: pair.key },
          (_, response) => {
            response.setHeader('content-type', 'application/json');
            response.end(text);
          },
        );
        await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve));
        const address = `127.0.0.1:${(odd.address() as AddressInfo).port}`;
        const dp = await planJoiner(deployment, 'answered-nonsense', cp, { VAULTPLANE_CLUSTER_CONTROL_PLANE: address });
        const result = await joinBy(pinned, dp);
        assert.equal(result.status, 1, text);
        assert.match(result.stderr, /^[^\n]*it could not join: it answered HTTP 200 without a certificate\n$/, text);
        await new Promise((resolve) => odd.close(resolve));
      }
    });

    it('a stolen token is worth nothing after its use, its end, or its revocation; guesses are slowed, and lock nobody out', async () => {
      const csr = (key = newKey()) => signingRequest(key).toString('base64');
      const used = await invite(cp);
      const key = newKey();
      const first = await post(cp, JOIN_PATH, { token: used, csr: csr(key) });
      assert.equal(first.status, 200, JSON.stringify(first.body));
      const stolen = await post(cp, JOIN_PATH, { token: used, csr: csr() });
      assert.deepEqual([stolen.status, stolen.body.code], [403, 'used_up']);
      // The answer was lost, perhaps: the same key gets the same again.
      const repeated = await post(cp, JOIN_PATH, { token: used, csr: csr(key) });
      assert.deepEqual([repeated.status, repeated.body], [200, first.body]);

      const brief = await invite(cp, '--ttl', '1s');
      const listed = async () =>
        ((await cp.get('/nodes/invitations')) as { data: Array<{ id: string; expires_at: string }> }).data;
      const ends = Date.parse((await listed()).find(({ id }) => brief.includes(id))!.expires_at);
      await until('it has expired', () => Date.now() > ends);
      assert.equal((await post(cp, JOIN_PATH, { token: brief, csr: csr() })).body.code, 'expired');

      const many = await invite(cp, '--uses', 'unlimited', '--ttl', 'never', '--labels', 'kind:pod');
      for (let pod = 0; pod < 3; pod++)
        assert.equal((await post(cp, JOIN_PATH, { token: many, csr: csr() })).status, 200);
      const { id } = (await listed()).find((each) => many.includes(each.id))!;
      assert.equal((await fetch(`${cp.adminUrl}/nodes/invitations/${id}`, { method: 'DELETE' })).status, 204);
      assert.equal((await post(cp, JOIN_PATH, { token: many, csr: csr() })).body.code, 'revoked');

      const right = await invite(cp);
      // Base64url has _ too: the parts are told by their lengths.
      const [rightId, pin] = [right.slice(4, 20), right.slice(-43)];
      const guess = () => `vpj_${rightId}_${randomBytes(32).toString('hex').slice(0, 43)}_${pin}`;
      const before = performance.now();
      for (let guesses = 0; guesses < 14; guesses++) {
        assert.equal((await post(cp, JOIN_PATH, { token: guess(), csr: csr() })).body.code, 'bad_token');
      }
      assert.ok(performance.now() - before > 750, 'guesses are not slowed');
      assert.equal((await post(cp, JOIN_PATH, { token: right, csr: csr() })).status, 200);
    });

    it('a name in a signing request is ignored: nobody becomes another node by it', async () => {
      const victim = await joined('named');
      const request = openSslRequest(deployment.folder, victim.id);
      const answer = await post(cp, JOIN_PATH, { token: await invite(cp), csr: request.toString('base64') });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const certificate = new X509Certificate(answer.body.certificate as string);
      assert.notEqual(answer.body.node_id, victim.id);
      assert.equal(certificate.subject, `CN=${answer.body.node_id}`);
      assert.deepEqual(
        [certificate.subjectAltName, certificate.keyUsage, certificate.ca],
        [`URI:urn:uuid:${answer.body.node_id}`, ['1.3.6.1.5.5.7.3.2'], false],
      );
    });

    it("a node can't claim another's id over the link", async () => {
      const [one, other] = [await joined('one'), await joined('other')];
      const refused = await openLink(cp, await identityOf(one.dp), other.id);
      assert.deepEqual([refused.type, refused.code], ['refuse', 'wrong_node_id']);
      assert.match(String(refused.reason), new RegExp(`certificate is that of node ${one.id}`));
      assert.equal((await openLink(cp, await identityOf(one.dp), one.id)).type, 'welcome');
    });

    it('renewal verifies everything about an ended certificate itself', async () => {
      const short = await deployment.planControlPlane('short', { ...env, VAULTPLANE_CLUSTER_CERTIFICATE_TTL: '15' });
      await renewals(deployment, short);
    });
  });
}

async function renewals(deployment: Deployment, cp: ControlPlane): Promise<void> {
  let program = await cp.start();
  const nodes = await Promise.all(
    ['renews', 'is-late'].map(async (name) => {
      const dp = await planJoiner(deployment, `${name}-${cp.clusterAddress}`, cp);
      const result = await joinBy(await invite(cp), dp);
      assert.equal(result.status, 0, result.stderr);
      return identityOf(dp);
    }),
  );
  const [good, late] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const real = new X509Certificate(good.certificate);
  const key = newKey();
  const renew = (shown: { certificate: string; key: string } | undefined, by = key) =>
    post(cp, RENEW_PATH, { csr: signingRequest(by).toString('base64') }, shown);

  // All of them have ended, and all but the last have the node's name and serial; Node.js calls each CERT_HAS_EXPIRED.
  const ended = { days: -1, extensions: ['extendedKeyUsage=clientAuth'], serial: `0x${real.serialNumber}` };
  const pem = ({ cert, key }: { cert: string; key: string }) => ({ certificate: cert, key });
  const foreign = makeCertificate(deployment.folder, 'some_ca');
  const namesake = makeCertificate(deployment.folder, 'vaultplane_cluster_ca');
  const forged = [
    makeCertificate(deployment.folder, good.nodeId, { ...ended, ca: foreign }),
    makeCertificate(deployment.folder, good.nodeId, { ...ended, ca: namesake }),
    makeCertificate(deployment.folder, good.nodeId, ended),
  ];
  for (const certificate of forged) {
    const answer = await renew(pem(certificate));
    assert.deepEqual([answer.status, answer.body.code], [403, 'foreign_certificate'], JSON.stringify(answer.body));
  }
  assert.equal((await renew(undefined)).body.code, 'no_certificate');
  // Without its key, a certificate is only a text.
  await assert.rejects(renew({ certificate: good.certificate, key: late.key }));

  const endOf = ({ certificate }: { certificate: string }) => Date.parse(new X509Certificate(certificate).validTo);
  await until('the certificates have ended', () => Date.now() > Math.max(endOf(good), endOf(late)));
  assert.match(String((await openLink(cp, good, good.nodeId)).reason), /it has expired/);
  const renewed = await renew(good);
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));
  assert.equal(renewed.body.node_id, good.nodeId);
  // A lost answer is given again, for the same key; the certificate that it replaces is good for nothing else.
  assert.deepEqual((await renew(good)).body, renewed.body);
  assert.equal((await renew(good, newKey())).body.code, 'not_newest');
  const newest = { ...good, certificate: renewed.body.certificate as string, key };
  assert.equal((await openLink(cp, newest, good.nodeId)).type, 'welcome');

  // Over the grace.
  await program.stop();
  cp.env.VAULTPLANE_CLUSTER_RENEWAL_GRACE = '1';
  program = await cp.start();
  await until('the grace is over', () => Date.now() > endOf(late) + 2000);
  const tooLate = await renew(late, newKey());
  assert.deepEqual([tooLate.status, tooLate.body.code], [403, 'ended']);
  await program.stop();
}

enrolmentOn('embedded', async () => ({ env: {}, stop: async () => {} }));

const missing = postgresMissing();
if (missing) it('enrolment, postgres', { skip: missing }, () => {});
else {
  enrolmentOn('postgres', async (deployment) => {
    const server: PostgresServer = await startPostgresServer();
    const keyring = join(deployment.folder, 'keyring');
    writeFileSync(keyring, randomBytes(32).toString('hex'), { mode: 0o600 });
    return {
      env: {
        VAULTPLANE_DATABASE: 'postgres',
        VAULTPLANE_PG_HOST: server.host,
        VAULTPLANE_PG_PORT: String(server.port),
        VAULTPLANE_PG_USER: server.user,
        VAULTPLANE_PG_PASSWORD: server.password,
        VAULTPLANE_PG_DATABASE: await server.createDatabase(),
        VAULTPLANE_KEYRING_KEY_FILE: keyring,
      },
      stop: () => server.stop(),
    };
  });
}

function newKey(): string {
  return makePrivateKey();
}
