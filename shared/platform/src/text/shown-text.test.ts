import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { errorMessage } from '../errors.ts';
import {
  fileError,
  NOT_SHOWN,
  neverShow,
  shownName,
  shownOrigin,
  shownPath,
  shownReference,
  shownUrl,
  shownValue,
} from './shown-text.ts';

const PATHS = [
  '/etc/vaultplane/secrets.key',
  '/var/run/secrets/kubernetes.io/serviceaccount/token',
  '/run/credentials/vaultplane-dp.service/vaultplane.conf',
  '/var/lib/kubelet/pods/0f1e2d3c-0f1e-4d3c-8f1e-0f1e2d3c4b5a/volumes/key.pem',
  '/tmp/vaultplane-dp-aB3xYz/nope',
  '/home/me/Git Repos/x/key.hex',
  '/mnt/c/Users/Jörg/key.pem',
  '../certs/dp-1.key',
  './data/cp',
  'data/dp/api-token',
  'cluster.crt',
];
const NAMES = [
  'us-east-1',
  'localhost',
  '10.0.0.1',
  '[fd00:1234:5678:9abc:def0::1]',
  'db.internal',
  'mydb.c9akciq32rx7.us-east-1.rds.amazonaws.com',
  'vpce-0a1b2c3d4e5f67890-abcdefgh.secretsmanager.us-east-1.vpce.amazonaws.com',
  'my-project-123456',
  'arn:aws:iam::123456789012:role/AWSReservedSSO_Admin_0123456789abcdef',
];
/** As they come from `openssl rand`, a vault server, a cloud's console or a person. */
const SECRETS: Array<[string, () => string]> = [
  ['PEM', () => `-----BEGIN PRIVATE KEY-----\n${randomBytes(48).toString('base64')}\n-----END PRIVATE KEY-----`],
  ['PEM in one line', () => `-----BEGIN KEY----- ${randomBytes(48).toString('base64')} -----END KEY-----`],
  ['base64', () => randomBytes(32).toString('base64')],
  ['base64url', () => randomBytes(32).toString('base64url')],
  ['hex', () => randomBytes(16).toString('hex')],
  ['UUID', () => randomUUID()],
  ['token', () => `hvs.CAESI${randomBytes(40).toString('base64url')}`],
  ['JSON', () => JSON.stringify({ private_key: randomBytes(20).toString('hex') })],
  ['URL', () => `https://user:${randomBytes(9).toString('hex')}@host/path`],
  ['NUL', () => '/etc/a\0b'],
];

describe('a file is named in an error', () => {
  for (const path of PATHS) it(`as ${path}`, () => assert.equal(shownPath(path), path));
  for (const [what, make] of SECRETS) {
    it(`and no ${what} that stands where a path should`, () => {
      for (let round = 0; round < 200; round++) assert.equal(shownPath(make()), NOT_SHOWN);
    });
  }
  it('and no base64 that begins as a path does', () => {
    for (let round = 0; round < 200; round++) {
      assert.equal(shownPath(`/${randomBytes(48).toString('base64').slice(1).replaceAll('/', 'x')}`), NOT_SHOWN);
    }
  });
  it('and no word, which may be a password', () => {
    for (const word of ['hunter2', 'correct-horse-battery-staple', 'hvs.CAESIJlk23', '']) {
      assert.equal(shownPath(word), NOT_SHOWN);
    }
  });

  it('with what the system says, and not with what the error of the system repeats', () => {
    for (const path of ['/no/such/secrets.key', '7fe51c4d960d17efe7c82537043c8999', `/no\0${'k'.repeat(20)}`]) {
      let failure: unknown;
      try {
        readFileSync(path);
      } catch (error) {
        failure = error;
      }
      assert.ok(!errorMessage(failure).includes(path), errorMessage(failure));
      const text = fileError('cluster_cert_key = ', path, "can't be read", failure);
      if (path.endsWith('.key')) {
        assert.equal(text, `cluster_cert_key = ${path} can't be read: ENOENT: no such file or directory`);
      } else assert.match(text, /^cluster_cert_key = \(not shown\) can't be read: .*; it takes the path of a file/);
    }
  });

  it('that a vault has named, by nothing: neither the path, nor what is below it', () => {
    neverShow('/srv/hidden-place');
    assert.equal(shownPath('/srv/hidden-place'), NOT_SHOWN);
    assert.equal(shownPath('/srv/hidden-place/node-id'), NOT_SHOWN);
    neverShow('file:///srv/hidden-too.json');
    assert.equal(shownPath('/srv/hidden-too.json'), NOT_SHOWN);
    assert.equal(shownPath('/srv/other'), '/srv/other');
  });
});

describe('what people name is named in an error', () => {
  for (const name of NAMES) it(`as ${name}`, () => assert.equal(shownName(name), name));
  for (const [what, make] of SECRETS) {
    it(`and no ${what} that stands where a name should`, () => assert.equal(shownName(make()), NOT_SHOWN));
  }

  it('a URL without what lets somebody in', () => {
    assert.equal(shownUrl('https://user:hunter2@vault.example:8200/v1?token=x#y'), 'https://vault.example:8200/v1');
    assert.equal(shownUrl(`http://${randomBytes(16).toString('hex')}:80/`), `http://${NOT_SHOWN}`);
    assert.equal(shownUrl('no url'), NOT_SHOWN);
  });

  it('a URL by its host as given: in lower case a key may look like a word', () => {
    assert.equal(shownUrl('http://xuhp2vwuyz/'), 'http://xuhp2vwuyz');
    for (const host of ['XuHP2vwUyZ', 'user:pass@XuHP2vwUyZ', 'XuHP2vwUyZ:8080']) {
      const port = host.endsWith(':8080') ? ':8080' : '';
      assert.equal(shownUrl(`http://${host}/`), `http://${NOT_SHOWN}${port}`);
      assert.equal(shownOrigin(`http://${host}/token`), `http://${NOT_SHOWN}${port}`);
    }
    assert.equal(shownOrigin('https://[::1]:8200/v1'), 'https://[::1]:8200');
    assert.equal(shownOrigin('https://Vault.Example/v1'), 'https://vault.example');
    assert.equal(shownOrigin('file:///etc/passwd'), NOT_SHOWN);
  });

  it('a reference, and not what else has its braces', () => {
    for (const text of ['{vault://aws/db/password?ttl=60#2}', '{vault://one/a'])
      assert.equal(shownReference(text), text);
    for (const text of [`{vault://${randomBytes(20).toString('hex')}}`, '{"key":"x"}']) {
      assert.equal(shownReference(text), NOT_SHOWN);
    }
  });

  it('a value that is plausibly a misspelt one', () => {
    for (const text of ['debgu', '0', '70000', '127.0.0.1', 'nowhere', 'maybe']) {
      assert.equal(shownValue(text), JSON.stringify(text));
    }
    for (const [, make] of SECRETS) assert.equal(shownValue(make()), NOT_SHOWN);
  });
});

it('an error of a connection names no host that may be a secret', async () => {
  const host = randomBytes(16).toString('hex');
  const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), {
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname: host,
  });
  assert.equal(errorMessage(error), `getaddrinfo ENOTFOUND ${NOT_SHOWN}`);
  const path = `/no/${host}/socket`;
  const refused = await new Promise<Error>((resolve) => connect(path).once('error', resolve));
  assert.equal(errorMessage(refused), `connect ENOENT ${NOT_SHOWN}`);
});
