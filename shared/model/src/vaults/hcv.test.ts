import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VaultConfig } from './entity.ts';
import { SchemaViolation } from './schema-violation.ts';
import { checkVault } from './validation.ts';

const TOKEN = { token: 's.abc' };

/** What is wrong with a vault's config; undefined where nothing is. */
function faultOf(config: VaultConfig): string | undefined {
  try {
    checkVault({ name: 'hcv', prefix: 'my-hcv', config });
    return undefined;
  } catch (error) {
    if (error instanceof SchemaViolation) return error.message;
    throw error;
  }
}

describe('a vault of type hcv', () => {
  it('has what its auth_method needs to log in, when it is saved', () => {
    for (const [config, fault] of [
      [{}, /^schema violation \(config\.token: required field missing for auth_method token\)$/],
      [{ auth_method: 'token', approle_secret_id: 's.abc' }, /config\.token: required field missing/],
      [{ auth_method: 'kubernetes', kube_role: '  ' }, /config\.kube_role: must not be only spaces/],
      [{ auth_method: 'kubernetes', kube_api_token_file: ' ' }, /config\.kube_api_token_file: must not be only spaces/],
      [{ auth_method: 'approle', approle_secret_id: 's.abc' }, /config\.approle_role_id: required field missing/],
      [
        { auth_method: 'approle', approle_role_id: 'id' },
        /config\.approle_secret_id: required .*\(or approle_secret_id_file\)/,
      ],
      [
        { auth_method: 'approle', approle_role_id: '\t', approle_secret_id: 's' },
        /approle_role_id: must not be only spaces/,
      ],
      [
        { auth_method: 'approle', approle_role_id: 'id', approle_secret_id_file: ' ' },
        /approle_secret_id_file: must not/,
      ],
      [{ auth_method: 'jwt', jwt_role: 'dp' }, /config\.jwt_token: required field missing .*\(or jwt_token_file\)/],
      [{ auth_method: 'jwt', jwt_role: ' ', jwt_token: 'a.b.c' }, /config\.jwt_role: must not be only spaces/],
      [{ auth_method: 'cert', protocol: 'https', cert_auth_cert: 'PEM' }, /config\.cert_auth_cert_key: required/],
      [{ token: '   ' }, /config\.token: invalid value/],
    ] as const) {
      assert.match(faultOf(config)!, fault, JSON.stringify(config));
    }
    for (const config of [
      { token: '{vault://env/HCV_TOKEN}' },
      { token: '********' },
      { auth_method: 'kubernetes' },
      { auth_method: 'approle', approle_role_id: 'id', approle_secret_id: '{vault://aws/approle/secret_id}' },
      { auth_method: 'jwt', jwt_token_file: '/run/jwt' },
    ] as VaultConfig[]) {
      assert.equal(faultOf(config), undefined, JSON.stringify(config));
    }
  });

  it('takes what Kong takes', () => {
    const server = { protocol: 'https', host: 'vault.example.com', port: 8200, mount: 'secret', kv: 'v2' };
    for (const config of [
      { ...server, namespace: 'admin/team', token: '{vault://env/HCV_TOKEN}' },
      { ...server, auth_method: 'kubernetes', kube_role: 'dp', kube_api_token_file: '/token', kube_auth_path: '/k8s/' },
      {
        ...server,
        auth_method: 'approle',
        approle_role_id: 'id',
        approle_secret_id_file: '/id',
        approle_auth_path: 'a',
      },
      {
        ...server,
        auth_method: 'approle',
        approle_response_wrapping: true,
        approle_role_id: 'id',
        approle_secret_id: 's.abc',
      },
      { ...server, auth_method: 'cert', cert_auth_role_name: 'dp', cert_auth_cert: 'PEM', cert_auth_cert_key: 'PEM' },
    ]) {
      assert.equal(faultOf(config), undefined);
    }
  });

  it('has a host, and nothing that leads elsewhere', () => {
    for (const host of ['localhost', 'vault-1.example.com', '10.0.0.1', '::1', '[2001:db8::1]', 'a']) {
      assert.equal(faultOf({ ...TOKEN, host }), undefined, host);
    }
    for (const host of ['', 'a b', 'a/b', 'user@a', 'a:8200', 'a?b', 'a#b', '-a', 'http://a', 'a\n']) {
      assert.match(faultOf({ ...TOKEN, host })!, /config\.host/, host);
    }
  });

  it('has paths of segments, none of which leads up', () => {
    for (const mount of ['secret', '/secret/', 'teams/kv', 'a.b', '..a/b..', 'ä']) {
      assert.equal(faultOf({ ...TOKEN, mount }), undefined, mount);
    }
    for (const mount of ['..', 'a/../b', './a', 'a//b', 'a?b', 'a#b', 'a%2fb', 'a b', '/', 'a\\b']) {
      assert.match(faultOf({ ...TOKEN, mount })!, /config\.mount/, mount);
    }
  });

  it('is told what its members may be, and never what a credential is', () => {
    assert.match(faultOf({ protocol: 'ftp' })!, /expected one of: http, https/);
    assert.match(faultOf({ kv: 'v3' })!, /expected one of: v1, v2/);
    assert.match(faultOf({ auth_method: 'ldap' })!, /token, kubernetes, approle, jwt, cert/);
    assert.match(faultOf({ port: 8200.5 })!, /config\.port/);
    assert.match(
      faultOf({ auth_method: 'cert', cert_auth_cert: 'a', cert_auth_cert_key: 'b' })!,
      /config\.protocol: must be https/,
    );
    for (const name of ['token', 'approle_secret_id', 'jwt_token']) {
      const fault = faultOf({ [name]: 'canary with\nnewline' })!;
      assert.match(fault, new RegExp(`config\\.${name}`));
      assert.doesNotMatch(fault, /canary/);
    }
  });
});
