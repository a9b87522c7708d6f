import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VaultConfig } from '../vaults/entity.ts';
import { withDefaults } from '../vaults/vault-type.ts';
import { VAULT_TYPES } from '../vaults/vault-types.ts';
import { mergedGrants } from './grant.ts';
import { DEFAULT_POLICY, UpstreamPolicy } from './policy.ts';
import { parsePolicy } from './policy-form.ts';
import { suggestedPolicy } from './testing/suggested-policy.ts';
import { verdictOf } from './verdict.ts';

const policy = (content: object, envPrefix = '') =>
  new UpstreamPolicy(parsePolicy(JSON.stringify(content), { envPrefix }));
const verdict = (type: string, config: VaultConfig, by = DEFAULT_POLICY) =>
  verdictOf(by, VAULT_TYPES.get(type)!, withDefaults(VAULT_TYPES.get(type)!, config));

const HCV = { protocol: 'https', host: 'vault.internal', port: 8200 };
const DESTINATION = 'https://vault.internal:8200';
const ROLE = 'arn:aws:iam::123456789012:role/app-1';

describe('every type of vault', () => {
  for (const type of VAULT_TYPES.values()) {
    it(`${type.name} says where it sends what, if it has credentials`, () => {
      const has = type.fields.some(({ sensitive }) => sensitive) || type.credentials !== undefined;
      assert.ok(type.uses || !has);
    });
  }
});

describe('without a file', () => {
  const LETS: ReadonlyArray<readonly [type: string, config: VaultConfig]> = [
    ['aws', { region: 'eu-west-1' }],
    ['aws', { region: 'eu-west-1', assume_role_arn: ROLE }],
    ['aws', { endpoint_url: 'http://127.0.0.1:4566', sts_endpoint_url: 'http://localhost:4566' }],
    ['aws', { endpoint_url: 'https://vpce-1-2.secretsmanager.eu-west-1.vpce.amazonaws.com' }],
    ['gcp', {}],
    ['gcp', { endpoint_url: 'https://secretmanager.europe-west3.rep.googleapis.com' }],
    [
      'gcp',
      {
        endpoint_url: 'http://anywhere.example',
        service_account: '{"token_uri":"https://oauth2.googleapis.com/token"}',
      },
    ],
    ['hcv', { ...HCV, token: 'literal' }],
    ['hcv', { ...HCV, auth_method: 'cert', cert_auth_cert: '-----BEGIN C', cert_auth_cert_key: '-----BEGIN K' }],
    [
      'hcv',
      { ...HCV, auth_method: 'cert', cert_auth_cert: btoa('-----BEGIN C'), cert_auth_cert_key: btoa('-----BEGIN K') },
    ],
    ['hcv', { ...HCV, token: 'literal', ca_cert: '-----BEGIN C' }],
    ['env', { prefix: 'APP_' }],
  ];
  for (const [type, config] of LETS) {
    it(`lets ${type} ${JSON.stringify(config)}`, () => assert.equal(verdict(type, config), null));
  }

  const REFUSES: ReadonlyArray<readonly [type: string, config: VaultConfig, grants: object[]]> = [
    [
      'hcv',
      { ...HCV, token: '{vault://env/AWS_SECRET_ACCESS_KEY?prefix=}' },
      [{ destination: DESTINATION, references: ['{vault://env/AWS_SECRET_ACCESS_KEY?prefix=}'] }],
    ],
    [
      'hcv',
      { ...HCV, auth_method: 'jwt', jwt_token: '{vault://aws/prod/db/}' },
      [{ destination: DESTINATION, references: ['{vault://aws/prod/db/}'] }],
    ],
    [
      'hcv',
      { ...HCV, auth_method: 'approle', approle_role_id: 'r', approle_secret_id_file: '/etc/vaultplane/secrets.key' },
      [{ destination: DESTINATION, files: ['/etc/vaultplane/secrets.key'] }],
    ],
    ['hcv', { ...HCV, auth_method: 'kubernetes' }, [{ destination: DESTINATION, service_account_token: true }]],
    [
      'hcv',
      { ...HCV, auth_method: 'kubernetes', kube_api_token_file: '/etc/passwd' },
      [{ destination: DESTINATION, files: ['/etc/passwd'] }],
    ],
    [
      'hcv',
      { ...HCV, token: 'literal', cert_auth_cert: '/etc/dp.crt', cert_auth_cert_key: '/etc/dp.key' },
      [{ destination: DESTINATION, files: ['/etc/dp.crt', '/etc/dp.key'] }],
    ],
    [
      'hcv',
      { ...HCV, token: '{vault://env/T}', ca_cert: '-----BEGIN C' },
      [{ destination: DESTINATION, references: ['{vault://env/T}'], ca_cert: true }],
    ],
    ['aws', { endpoint_url: 'https://evil.example' }, [{ destination: 'https://evil.example', identity: true }]],
    [
      'aws',
      { endpoint_url: 'http://evil.example:81', sts_endpoint_url: 'https://b.s3.amazonaws.com', assume_role_arn: ROLE },
      [
        { destination: 'http://evil.example:81', identity: true },
        { destination: 'https://b.s3.amazonaws.com', identity: true },
      ],
    ],
    ['gcp', { endpoint_url: 'http://127.0.0.1:80' }, [{ destination: 'http://127.0.0.1', identity: true }]],
    [
      'gcp',
      { service_account: '{"token_uri":"http://intranet.example/x"}' },
      [{ destination: 'http://intranet.example' }],
    ],
    [
      'gcp',
      { service_account: '{vault://env/KEY}' },
      [{ destination: 'https://secretmanager.googleapis.com', references: ['{vault://env/KEY}'] }],
    ],
  ];
  for (const [type, config, grants] of REFUSES) {
    it(`refuses ${type} ${JSON.stringify(config)}, and writes out the grant that lets it`, () => {
      const refusal = verdict(type, config);
      assert.deepEqual(
        refusal?.grants,
        grants.map((grant) => ({ type, ...grant })),
      );
      assert.equal(verdict(type, config, suggestedPolicy(type, config)), null);
    });
  }

  for (const host of ['169.254.169.254', 'fd00:ec2::254', '[::ffff:169.254.169.254]', '168.63.129.16']) {
    it(`refuses ${host} whatever it is sent, and has no grant for it`, () => {
      const refusal = verdict('hcv', { ...HCV, host, token: 'literal' });
      assert.match(refusal!.message, /link-local or metadata address/);
      assert.equal(refusal!.grant, undefined);
    });
  }
});

it('what is no path of its own is in no grant, and what looks like a key in no error', () => {
  const key = 'hQ8dFzP2mK7vT1xYbN4sR9wLcE6uJ0aGiO3tVkZpXyM=';
  for (const path of ['secrets.key', '/etc/vaultplane/../shadow', key, '{"a":1}']) {
    const refusal = verdict('hcv', { ...HCV, auth_method: 'jwt', jwt_token_file: path });
    assert.equal(refusal?.grant, undefined, path);
    assert.ok(!refusal!.message.includes(key));
  }
});

describe('a grant of a reference', () => {
  const lets = (granted: object, reference: string, envPrefix = '') => {
    const by = policy({ grants: [{ type: 'hcv', destination: DESTINATION, ...granted }] }, envPrefix);
    return verdict('hcv', { ...HCV, token: reference }, by) === null;
  };

  it('is of what it means, however it is spelt', () => {
    const granted = { references: ['{vault://env/HCV_TOKEN}', '{vault://aws/prod/hcv/token}'] };
    for (const spelt of [
      '{vault://env/HCV_TOKEN}',
      '{vault://env/hcv-token}',
      '{vault://env/%48CV_TOKEN}',
      '{vault://env//HCV_TOKEN}',
      '{vault://env/HCV_TOKEN?ttl=60}',
      '{vault://aws/prod/hcv/token}',
      '{vault://aws/prod%2Fhcv/token}',
    ]) {
      assert.ok(lets(granted, spelt), spelt);
    }
  });

  it('is of nothing that may mean something else', () => {
    const granted = { references: ['{vault://env/HCV_TOKEN}', '{vault://aws/prod/hcv/token}'] };
    for (const other of [
      '{vault://env/HCV_TOKEN?prefix=}',
      '{vault://env/TOKEN?prefix=HCV_}',
      '{vault://env/HCV_TOKEN2}',
      '{vault://env/HCV_TOKEN#2}',
      '{vault://env/HCV_TOKEN/x}',
      '{vault://env/HCV_TOKEN?json_pointer=/x}',
      '{vault://aws/prod/hcv/token/}',
      '{vault://aws/prod/hcv/other}',
      '{vault://aws/prod/hcv/}',
      '{vault://aws/prod/hcv/token?region=eu-west-1}',
      '{vault://aws/prod/hcv/token#2}',
      '{vault://aws/prod/hcv/token?version_stage=AWSPENDING}',
      '{vault://aws/prod%2Fhcv%2Ftoken}',
      '{vault://gcp/prod/hcv/token}',
    ]) {
      assert.ok(!lets(granted, other), other);
    }
  });

  it('by environment is of the whole variable of that name, whatever vault_env_prefix is', () => {
    assert.ok(lets({ environment: ['HCV_TOKEN'] }, '{vault://env/hcv-token}'));
    assert.ok(!lets({ environment: ['HCV_TOKEN'] }, '{vault://env/HCV_TOKEN}', 'APP_'));
    assert.ok(lets({ environment: ['APP_HCV_TOKEN'] }, '{vault://env/HCV_TOKEN}', 'APP_'));
    assert.ok(!lets({ environment: ['HCV_TOKEN'] }, '{vault://env/HCV_TOKEN?prefix=}'));
    assert.ok(!lets({ environment: ['HCV_TOKEN'] }, '{vault://env/HCV_TOKEN?json_pointer=/a}'));
    assert.ok(!lets({ environment: ['HCV_TOKEN'] }, '{vault://env/HCV_TOKEN/a}'));
    assert.ok(!lets({ environment: ['HCV_TOKEN'] }, '{vault://env/HCV_TOKEN#2}'));
  });

  it('names the variables that are credentials, and so no values', () => {
    const references = ['{vault://env/one}', '{vault://aws/two}', '{vault://env/four#2}'];
    const by = policy({ grants: [{ type: 'hcv', destination: DESTINATION, references, environment: ['THREE'] }] });
    assert.deepEqual(
      ['ONE', 'TWO', 'THREE', 'FOUR', 'FOUR_PREVIOUS'].map((name) => by.namesVariable(name)),
      [true, false, true, false, true],
    );
  });

  it('is of its destination, its type and its kind alone', () => {
    const token = '{vault://env/HCV_TOKEN}';
    const by = policy({ grants: [{ type: 'hcv', destination: DESTINATION, references: [token] }] });
    assert.equal(verdict('hcv', { ...HCV, token }, by), null);
    for (const [member, other] of [
      ['host', 'vault.internal.evil.org'],
      ['port', 8201],
      ['protocol', 'http'],
    ]) {
      assert.ok(verdict('hcv', { ...HCV, token, [member as string]: other! }, by), String(member));
    }
    assert.ok(verdict('gcp', { endpoint_url: DESTINATION, service_account: token }, by));
    assert.ok(verdict('hcv', { ...HCV, auth_method: 'kubernetes' }, by));
  });
});

describe('roles', () => {
  const of = (content: object, arn = ROLE) =>
    verdict('aws', { region: 'cn-north-1', assume_role_arn: arn }, policy(content));

  it('are any, or those of the list, or those of a grant', () => {
    assert.equal(of({}), null);
    assert.equal(of({ roles: ['arn:aws:iam::123456789012:role/app-*'] }), null);
    assert.deepEqual(of({ roles: [] })?.grants, [
      { type: 'aws', destination: 'https://sts.cn-north-1.amazonaws.com.cn', roles: [ROLE] },
    ]);
    assert.ok(of({ roles: ['arn:aws:iam::123456789012:role/app-*'] }, 'arn:aws:iam::123456789012:role/admin'));
    assert.ok(of({ roles: ['arn:aws:iam::123456789012:role/app'] }));
    const grants = [{ type: 'aws', destination: 'https://sts.cn-north-1.amazonaws.com.cn', roles: [ROLE] }];
    assert.equal(of({ roles: [], grants }), null);
    assert.ok(of({ defaults: false }));
    assert.equal(of({ defaults: false, roles: [ROLE] }), null);
  });

  it('are plain text but for the star', () => {
    assert.ok(of({ roles: ['arn:aws:iam::123456789012:role/ap.-1'] }));
    assert.ok(of({ roles: ['arn:aws:iam::123456789012:role/(app-1)'] }));
  });
});

describe('grants of several vaults', () => {
  it('are one for each destination and type', () => {
    const merged = mergedGrants([
      { type: 'hcv', destination: DESTINATION, files: ['/a'] },
      { type: 'hcv', destination: DESTINATION, files: ['/b', '/a'], service_account_token: true },
      { type: 'gcp', destination: DESTINATION, identity: true },
    ]);
    assert.deepEqual(merged, [
      { type: 'hcv', destination: DESTINATION, files: ['/a', '/b'], service_account_token: true },
      { type: 'gcp', destination: DESTINATION, identity: true },
    ]);
  });
});

describe('"defaults": false', () => {
  it('drops what goes without a grant, and keeps what is granted', () => {
    const none = policy({ defaults: false });
    assert.ok(verdict('gcp', {}, none));
    assert.ok(verdict('aws', { endpoint_url: 'http://127.0.0.1:4566' }, none));
    const one = policy({
      defaults: false,
      grants: [{ type: 'gcp', destination: 'https://secretmanager.googleapis.com', identity: true }],
    });
    assert.equal(verdict('gcp', {}, one), null);
  });
});

describe('the form of the file', () => {
  const grant = { type: 'hcv', destination: DESTINATION };
  for (const [content, error] of [
    ['nonsense', /^is not JSON; it must have the form \{"grants"/],
    ['[]', /^must be an object/],
    [{ grant: [] }, /^has a member that is not one of \$schema, defaults, roles, grants; did you mean grants\?$/],
    [{ defaults: 'no' }, /^defaults must be true or false$/],
    [{ roles: ['admin'] }, /^roles\[0\] must be ARNs of roles/],
    [{ grants: {} }, /^grants must be a list$/],
    [{ grants: [null] }, /^grants\[0\] must be an object$/],
    [{ grants: [{ ...grant, ref: [] }] }, /^grants\[0\] has a member that is not one of type, destination, references/],
    [{ grants: [{ ...grant, type: 'env' }] }, /^grants\[0\]\.type must be one of aws, gcp, hcv$/],
    [{ grants: [{ type: 'hcv' }] }, /^grants\[0\]\.destination must be a text$/],
    [{ grants: [{ ...grant, destination: 'x' }] }, /^grants\[0\]\.destination must be http:\/\/ or https:\/\//],
    [{ grants: [{ ...grant, references: '{vault://env/x}' }] }, /^grants\[0\]\.references must be a list of texts$/],
    [{ grants: [{ ...grant, references: ['HCV_TOKEN'] }] }, /^grants\[0\]\.references\[0\] must be a reference: /],
    [{ grants: [{ ...grant, references: ['{vault://mine/x}'] }] }, /must refer to a vault that settings configure/],
    [{ grants: [{ ...grant, environment: ['A B'] }] }, /^grants\[0\]\.environment\[0\] must be names/],
    [{ grants: [{ ...grant, files: ['secret'] }] }, /^grants\[0\]\.files\[0\] must be absolute paths/],
    [{ grants: [{ ...grant, files: ['/etc/../x'] }] }, /^grants\[0\]\.files\[0\] must be absolute paths/],
    [
      { grants: [{ ...grant, service_account_token: 1 }] },
      /^grants\[0\]\.service_account_token must be true or false$/,
    ],
    [{ grants: [{ ...grant, identity: true }] }, /^grants\[0\]\.identity means nothing for vaults of type hcv/],
  ] as const) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    it(`refuses ${text}`, () => {
      assert.throws(
        () => parsePolicy(text, { envPrefix: '' }),
        (thrown: Error) => error.test(thrown.message),
      );
    });
  }

  it('is read behind a byte order mark', () => {
    parsePolicy('\ufeff{"defaults":false}', { envPrefix: '' });
  });

  it('takes all that it knows', () => {
    parsePolicy(
      JSON.stringify({
        $schema: 'x',
        defaults: false,
        roles: ['arn:aws:iam::*:role/app-*'],
        grants: [
          {
            ...grant,
            references: ['{vault://env/x}'],
            environment: ['X'],
            files: ['/x'],
            service_account_token: true,
            ca_cert: false,
          },
          { type: 'aws', destination: 'https://x.example', identity: true, roles: [ROLE] },
        ],
      }),
      { envPrefix: '' },
    );
  });
});
