import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ADMIN_ACCOUNT, type GcpEmulator, MACHINE_ACCOUNT, startGcpEmulator } from './emulator.ts';
import { keyClient } from './google-clients.ts';

describe('the token endpoint', () => {
  let emulator: GcpEmulator;
  let now = Date.now();
  before(async () => {
    emulator = await startGcpEmulator({ clock: () => now });
  });
  after(() => emulator.stop());
  const ask = async (form: Record<string, string>) => {
    const answer = await fetch(emulator.tokenUri, { method: 'POST', body: new URLSearchParams(form) });
    return [answer.status, ((await answer.json()) as { error?: string }).error];
  };
  const whoHas = async (token: string) => {
    const url = `${emulator.url}/v1/projects/emulator-project/secrets`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    return answer.ok ? emulator.calls().at(-1)!.email : answer.status;
  };

  it("gives a token for an assertion that Google's library signs, good for as long as it says", async () => {
    const { access_token: token, expiry_date: end } = await keyClient(emulator).authorize();
    assert.ok(Math.abs(end! - now - 3_600_000) < 60_000);
    assert.equal(await whoHas(token!), ADMIN_ACCOUNT);
    const held = emulator.issueToken(ADMIN_ACCOUNT, 60);
    now += 61_000;
    assert.equal(await whoHas(held), 401);
    now -= 61_000;
  });

  it('takes no assertion of another key, of nobody, for another audience or too long a time', async () => {
    const { getJwsSign } = await import('google-auth-library/build/src/gtoken/jwsSign.js');
    const key = emulator.createKey();
    const scope = 'https://www.googleapis.com/auth/cloud-platform';
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    const signed = (claims: object, options: object = {}) =>
      ask({
        grant_type,
        assertion: getJwsSign({
          iss: key.client_email,
          key: key.private_key,
          scope,
          additionalClaims: claims,
          ...options,
        }),
      });
    assert.deepEqual(await signed({}), [200, undefined]);
    assert.deepEqual(await signed({ aud: emulator.tokenUri }), [200, undefined]);
    assert.deepEqual(await signed({ aud: 'https://elsewhere.example/' }), [400, 'invalid_grant']);
    assert.deepEqual(await signed({ exp: Math.floor(now / 1000) + 7200 }), [400, 'invalid_grant']);
    assert.deepEqual(await signed({}, { iss: 'nobody@example.com' }), [400, 'invalid_grant']);
    assert.deepEqual(await signed({}, { scope: 'email' }), [400, 'invalid_scope']);
    emulator.deleteKey(key.private_key_id);
    assert.deepEqual(await signed({}), [400, 'invalid_grant']);
  });

  it('gives a token for a refresh token, with the secret of its client', async () => {
    const { type: _, ...user } = emulator.createUser();
    const grant_type = 'refresh_token';
    assert.deepEqual(await ask({ grant_type, ...user }), [200, undefined]);
    assert.deepEqual(await ask({ grant_type, ...user, client_secret: 'x' }), [401, 'invalid_client']);
    assert.deepEqual(await ask({ grant_type, ...user, refresh_token: 'x' }), [400, 'invalid_grant']);
    assert.deepEqual(await ask({ grant_type: 'password' }), [400, 'unsupported_grant_type']);
    const text = new URLSearchParams({ grant_type, ...user }).toString();
    const untyped = await fetch(emulator.tokenUri, { method: 'POST', body: text });
    assert.equal(untyped.status, 400, 'a form that does not say that it is one');
  });
});

describe('the metadata server', () => {
  it('tells those who say that they mean it the project, the account and a token of it', async () => {
    await using emulator = await startGcpEmulator({ project: 'shop' });
    const ask = async (path: string, headers: Record<string, string> = { 'metadata-flavor': 'Google' }) => {
      const answer = await fetch(`http://${emulator.metadataHost}/computeMetadata/v1/${path}`, { headers });
      assert.equal(answer.headers.get('metadata-flavor'), 'Google');
      return answer.ok ? answer.text() : answer.status;
    };
    assert.equal(await ask('project/project-id'), 'shop');
    assert.match(String(await ask('project/numeric-project-id')), /^\d{12}$/);
    assert.equal(await ask('instance/service-accounts/default/email'), MACHINE_ACCOUNT);
    const token = JSON.parse(String(await ask('instance/service-accounts/default/token')));
    assert.deepEqual([token.token_type, token.expires_in], ['Bearer', 3600]);
    const again = JSON.parse(String(await ask('instance/service-accounts/default/token')));
    assert.equal(again.access_token, token.access_token);
    assert.equal(await ask('project/project-id', {}), 403);
    const proxied = { 'metadata-flavor': 'Google', 'x-forwarded-for': '10.0.0.1' };
    assert.equal(await ask('instance/service-accounts/default/token', proxied), 403);
    emulator.setMachine({ serviceAccount: null });
    assert.equal(await ask('instance/service-accounts/default/token'), 404);
    assert.equal(await ask('nonsense'), 404);
  });
});
