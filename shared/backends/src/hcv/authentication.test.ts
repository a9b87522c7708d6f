import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { OWN } from '../backend.ts';
import { noOpenBao, OpenBao } from '../testing/open-bao.ts';
import { openHcv } from '../testing/open-hcv.ts';

/** A JSON Web Token that a key signs. */
function signed(key: KeyObject, claims: Record<string, unknown>): string {
  const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key).toString('base64url')}`;
}

/** Claims of a token that is good for an hour. */
function forAnHour(): { iat: number; exp: number } {
  const iat = Math.floor(Date.now() / 1000);
  return { iat, exp: iat + 3600 };
}

describe('authentication to a real OpenBao', { skip: noOpenBao() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-hcv-'));
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { privateKey: otherKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let server: OpenBao;

  /** Writes a credential as its issuer does, with a newline behind it. */
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), `${text}\n`);
    return join(folder, name);
  };

  before(async () => {
    server = await OpenBao.start();
    await server.policy('read', ['secret/data/*']);
    await server.putSecret('hello', { foo: 'bar' });
    for (const method of ['approle', 'jwt', 'kubernetes']) await server.enable(method);
    await server.role('dp', { token_policies: 'read' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    await server.api('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem] });
    await server.api('POST', 'auth/jwt/role/dp', {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: ['vault'],
      token_policies: ['read'],
    });
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('by approle takes a secret_id of the configuration, or one of a file as it is at that moment', async () => {
    const approle = { auth_method: 'approle', approle_role_id: 'dp-id' };
    await using configured = await openHcv(server, { ...approle, approle_secret_id: await server.secretId('dp') });
    assert.equal(await configured.read('hello'), '{"foo":"bar"}');
    const path = file('secret-id', await server.secretId('dp'));
    await using filed = await openHcv(server, { ...approle, approle_secret_id_file: path });
    assert.equal(await filed.read('hello'), '{"foo":"bar"}');
    await server.api('POST', 'auth/approle/role/dp/secret-id/destroy', { secret_id: await server.secretId('dp') });
    file('secret-id', await server.secretId('dp'));
    await server.revokeLogins('approle');
    assert.equal(await filed.read('hello'), '{"foo":"bar"}');
  });

  it('is told as whom, without the token', async () => {
    const secretId = await server.secretId('dp');
    const config = { auth_method: 'approle', approle_role_id: 'dp-id', approle_secret_id: secretId };
    await using hcv = await openHcv(server, config);
    assert.deepEqual(await hcv.caller(), {
      source: 'approle (role_id dp-id, by the secret_id of its configuration)',
      arn: 'approle',
      accountKind: 'policies',
      account: 'default, read',
    });
    const blind = await server.token({ policies: ['read'], no_default_policy: true });
    await using unseeing = await openHcv(server, { token: blind });
    assert.equal((await unseeing.caller()).account, 'not known');
  });

  it('by approle says what is wrong, and asks no more for a while, since a server locks out who fails often', async () => {
    const config = { auth_method: 'approle', approle_role_id: 'dp-id', approle_secret_id: 'canary-not-it' };
    await using wrong = await openHcv(server, config);
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(wrong.read('hello'), {
        code: 'unavailable',
        message: /login by approle: .* refuses it \(invalid role or secret ID, HTTP 400\)/,
      });
    }
    assert.equal(wrong.count('login'), 1);
    // Another is shown at once.
    const path = file('refused-secret-id', 'canary-not-it');
    const { approle_secret_id: _, ...rest } = config;
    await using mended = await openHcv(server, { ...rest, approle_secret_id_file: path });
    await assert.rejects(mended.read('hello'), { code: 'unavailable' });
    file('refused-secret-id', await server.secretId('dp'));
    assert.equal(await mended.read('hello'), '{"foo":"bar"}');
    for (const [missing, config] of [
      ['approle_role_id', { auth_method: 'approle' }],
      ['token', {}],
    ] as const) {
      await assert.rejects(openHcv(server, config), { code: 'unavailable', message: new RegExp(`has no ${missing}`) });
    }
    await using none = await openHcv(server, { auth_method: 'approle', approle_role_id: 'dp-id' });
    await assert.rejects(none.read('hello'), { code: 'unavailable', message: /no approle_secret_id and no/ });
  });

  it('by approle unwraps a wrapped secret_id once, and keeps what was in it for later logins', async () => {
    const config = { auth_method: 'approle', approle_role_id: 'dp-id', approle_response_wrapping: true };
    const wrapped = await server.wrappedSecretId('dp');
    await using hcv = await openHcv(server, { ...config, approle_secret_id: wrapped });
    assert.equal(await hcv.read('hello'), '{"foo":"bar"}');
    await server.revokeLogins('approle');
    assert.equal(await hcv.read('hello'), '{"foo":"bar"}');
    // Another vault of the same program, by the same token.
    const other = { ...server.config, ...config, kv: 'v2', mount: 'secret', approle_secret_id: wrapped };
    const again = await hcv.backends.open('hcv', { ...other, approle_auth_path: 'approle/' }, OWN);
    await again.fetch({ path: 'hello', version: {} }, new AbortController().signal);
    assert.deepEqual([hcv.count('unwrap'), hcv.count('login')], [1, 3]);
    // Another program comes too late.
    await using late = await openHcv(server, { ...config, approle_secret_id: wrapped });
    await assert.rejects(late.read('hello'), { code: 'unavailable', message: /unwrapping .* was unwrapped before/ });
  });

  it('by approle takes no secret_id that was wrapped by anybody but the role, since somebody may have seen it', async () => {
    const secret_id = await server.secretId('dp');
    const { wrap_info: wrapped } = await server.api(
      'POST',
      'sys/wrapping/wrap',
      { secret_id },
      { wrapTtlSeconds: 300 },
    );
    const config = { auth_method: 'approle', approle_role_id: 'dp-id', approle_response_wrapping: true };
    await using hcv = await openHcv(server, { ...config, approle_secret_id: wrapped!.token });
    await assert.rejects(hcv.read('hello'), {
      code: 'unavailable',
      message: /was not made for a secret_id of auth\/approle/,
    });
    assert.deepEqual([hcv.count('unwrap'), hcv.count('login')], [0, 0]);
  });

  it('by approle of a namespace is as by any', async () => {
    const namespace = 'team';
    const there = { namespace };
    await server.api('POST', 'sys/namespaces/team');
    await server.api('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } }, there);
    await server.putSecret('hello', { foo: 'team' }, there);
    await server.policy('read', ['secret/data/*'], there);
    await server.enable('approle', there);
    await server.role('dp', { token_policies: 'read' }, there);
    const wrapped = await server.wrappedSecretId('dp', there);
    const config = { auth_method: 'approle', approle_role_id: 'dp-id', approle_response_wrapping: true, namespace };
    await using hcv = await openHcv(server, { ...config, approle_secret_id: wrapped });
    assert.equal(await hcv.read('hello'), '{"foo":"team"}');
  });

  it('by jwt shows the token of a file, and nothing of a file that has none', async () => {
    const claims = { sub: 'node-1', aud: 'vault', ...forAnHour() };
    const jwt = { auth_method: 'jwt', jwt_role: 'dp' };
    await using good = await openHcv(server, { ...jwt, jwt_token_file: file('jwt', signed(privateKey, claims)) });
    assert.equal(await good.read('hello'), '{"foo":"bar"}');
    await using literal = await openHcv(server, { ...jwt, jwt_token: signed(privateKey, claims) });
    assert.equal(await literal.read('hello'), '{"foo":"bar"}');
    await using forged = await openHcv(server, { ...jwt, jwt_token: signed(otherKey, claims) });
    await assert.rejects(forged.read('hello'), { code: 'unavailable', message: /login by jwt: .* refuses it/ });
    await using shadow = await openHcv(server, { ...jwt, jwt_token_file: file('other', 'root:canary:1:0') });
    await assert.rejects(shadow.read('hello'), { code: 'unavailable', message: /does not hold what it should/ });
    await using absent = await openHcv(server, { ...jwt, jwt_token_file: join(folder, 'absent') });
    await assert.rejects(absent.read('hello'), { code: 'unavailable', message: /jwt_token_file: .*ENOENT/ });
    assert.equal(shadow.counts.calls + absent.counts.calls, 0);
  });

  it('by kubernetes shows the service account token that the API server vouches for', async () => {
    // The API server of a cluster is the one peer that can't run here: this stands in for its TokenReview.
    const reviewed: string[] = [];
    const api = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { token } = JSON.parse(body).spec;
      reviewed.push(`${request.url}`);
      const user = { username: 'system:serviceaccount:apps:dp', uid: 'uid-1', groups: ['system:serviceaccounts'] };
      const status = token === current ? { authenticated: true, user } : { authenticated: false };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status }));
    }).listen(0, '127.0.0.1');
    await once(api, 'listening');
    const account = { namespace: 'apps', serviceaccount: { name: 'dp', uid: 'uid-1' } };
    const claims = { sub: 'system:serviceaccount:apps:dp', ...forAnHour(), 'kubernetes.io': account };
    const current = signed(privateKey, claims);
    try {
      await server.api('POST', 'auth/kubernetes/config', {
        kubernetes_host: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
        token_reviewer_jwt: signed(privateKey, { ...claims, sub: 'reviewer' }),
        // It is asked over http.
        kubernetes_ca_cert: 'none',
        disable_local_ca_jwt: true,
      });
      await server.api('POST', 'auth/kubernetes/role/dp', {
        bound_service_account_names: ['dp'],
        bound_service_account_namespaces: ['apps'],
        token_policies: ['read'],
      });
      const kubernetes = { auth_method: 'kubernetes', kube_role: 'dp' };
      await using pod = await openHcv(server, { ...kubernetes, kube_api_token_file: file('sa', current) });
      assert.equal(await pod.read('hello'), '{"foo":"bar"}');
      assert.deepEqual(reviewed, ['/apis/authentication.k8s.io/v1/tokenreviews']);
      const other = file('other-sa', signed(otherKey, claims));
      await using stranger = await openHcv(server, { ...kubernetes, kube_api_token_file: other });
      await assert.rejects(stranger.read('hello'), { code: 'unavailable', message: /login by kubernetes: .* refuses/ });
      await using outside = await openHcv(server, kubernetes);
      await assert.rejects(outside.read('hello'), { code: 'unavailable', message: /kube_api_token_file: .*ENOENT/ });
    } finally {
      api.closeAllConnections();
      api.close();
    }
  });

  it('by cert shows the client certificate as it is at that moment', { skip: noCertificates }, async () => {
    await using tls = await OpenBao.start({ tls: true });
    await tls.policy('read', ['secret/data/*']);
    await tls.putSecret('hello', { foo: 'over TLS' });
    await tls.enable('cert');
    const ca = makeCertificate(folder, 'clients');
    const extensions = ['extendedKeyUsage=clientAuth'];
    const client = makeCertificate(folder, 'dp', { ca, extensions });
    await tls.api('POST', 'auth/cert/certs/dp', { certificate: ca.cert, token_policies: ['read'] });
    const config = { auth_method: 'cert', cert_auth_role_name: 'dp', ca_cert: tls.caFile };
    const files = { cert_auth_cert: join(folder, 'now.crt'), cert_auth_cert_key: join(folder, 'now.key') };
    file('now.crt', client.cert);
    file('now.key', client.key);
    await using filed = await openHcv(tls, { ...config, ...files });
    assert.equal(await filed.read('hello'), '{"foo":"over TLS"}');
    await using literal = await openHcv(tls, {
      ...config,
      cert_auth_cert: client.cert,
      cert_auth_cert_key: client.key,
    });
    assert.equal(await literal.read('hello'), '{"foo":"over TLS"}');
    const texts = {
      ca_cert: readFileSync(tls.caFile, 'utf8'),
      cert_auth_cert: client.cert,
      cert_auth_cert_key: client.key,
    };
    const encoded = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, btoa(text)]));
    await using inBase64 = await openHcv(tls, { ...config, ...encoded });
    assert.equal(await inBase64.read('hello'), '{"foo":"over TLS"}');
    // The next login is by the next certificate: the first is trusted no more.
    const next = makeCertificate(folder, 'next', { extensions });
    await tls.api('POST', 'auth/cert/certs/dp', { certificate: next.cert, token_policies: ['read'] });
    file('now.crt', next.cert);
    file('now.key', next.key);
    await tls.revokeLogins('cert');
    assert.equal(await filed.read('hello'), '{"foo":"over TLS"}');
    await assert.rejects(literal.read('hello'), { code: 'unavailable', message: /login by cert: .* refuses/ });
    // Whom the server is taken for.
    await using unknown = await openHcv(tls, { token: tls.rootToken });
    await assert.rejects(unknown.read('hello'), {
      code: 'unavailable',
      message: /can't be reached \(\w+; ca_cert or ssl_trusted_certificate say whom to trust\)/,
    });
    await using trusting = await openHcv(tls, { token: tls.rootToken }, { trustedCertificates: [tls.caFile] });
    assert.equal(await trusting.read('hello'), '{"foo":"over TLS"}');
    await using broken = await openHcv(tls, { ...config, ...files, cert_auth_cert_key: 'canary-key-that-is-no-file' });
    await assert.rejects(broken.read('hello'), (error: Error) => {
      assert.match(error.message, /cert_auth_cert_key: \(not shown\) can't be read: ENOENT/);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    });
  });
});
