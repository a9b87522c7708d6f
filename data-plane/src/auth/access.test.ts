import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { StartError } from '@vaultplane/platform/errors.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { recordedLog } from '../testing/recorded-log.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { Access, OVERLAP_MS } from './access.ts';
import { tokenDigest } from './token.ts';

describe('who may call', () => {
  const folder = temporaryFolder();
  const tokenFile = join(folder, 'token');
  const policiesFile = join(folder, 'policies.json');
  const clock = new FakeClock(1_000_000);
  let access: Access;
  let log: ReturnType<typeof recordedLog>;
  const open = async (more: Partial<Parameters<typeof Access.open>[0]> = {}) => {
    log = recordedLog();
    access = await Access.open({ tokenFile, clock, log: log.log, ...more });
  };
  const policies = (...entries: object[]) => writeFileSync(policiesFile, JSON.stringify({ policies: entries }));
  const clientOf = (token: string) => access.grantOf({ 'x-vault-token': token })?.client.name;
  beforeEach(() => {
    writeFileSync(tokenFile, 'first\n');
    rmSync(policiesFile, { force: true });
  });
  afterEach(() => access?.stop());

  it('is whoever has the token, in any of three headers', async () => {
    await open();
    for (const headers of [
      { 'x-aws-parameters-secrets-token': 'first' },
      { 'x-vault-token': 'first' },
      { authorization: 'Bearer first' },
      { authorization: 'bearer  first ' },
      { authorization: 'Bearer wrong', 'x-vault-token': 'first' },
    ]) {
      assert.ok(access.grantOf(headers), JSON.stringify(headers));
    }
    for (const headers of [
      {},
      { 'x-vault-token': '' },
      { 'x-vault-token': 'firs' },
      { 'x-vault-token': 'first2' },
      { authorization: 'first' },
      { authorization: 'Basic first' },
      { 'x-amz-security-token': 'first' },
    ]) {
      assert.equal(access.grantOf(headers), undefined, JSON.stringify(headers));
    }
    assert.ok(access.grantOf({ 'x-amz-security-token': 'first' }, true));
  });

  it('is, after a rotation of the token, whoever has either, for a while', async () => {
    await open();
    writeFileSync(tokenFile, 'second\n');
    await access.look();
    assert.ok(clientOf('first') && clientOf('second'));
    assert.equal(
      access.grantOf({ 'x-vault-token': 'first' })!.client,
      access.grantOf({ 'x-vault-token': 'second' })!.client,
    );
    await clock.advance(OVERLAP_MS - 1000);
    assert.ok(clientOf('first'));
    await clock.advance(1000);
    assert.equal(clientOf('first'), undefined);
    assert.ok(clientOf('second'));
    assert.ok(!log.text().includes('first') && !log.text().includes('second'));
  });

  it('changes within moments of the file, without being told', async () => {
    await open();
    writeFileSync(tokenFile, 'second\n');
    while (!clientOf('second')) await clock.advance(1000);
    assert.ok(clientOf('first'));
  });

  it('stays as it was while the file is unusable, which is told once', async () => {
    await open();
    writeFileSync(tokenFile, '');
    await access.look();
    await access.look();
    assert.ok(clientOf('first'));
    rmSync(tokenFile);
    await access.look();
    assert.ok(clientOf('first'));
    assert.equal(log.lines().filter(({ level }) => level === 'error').length, 2);
  });

  it('is, with policies, each application by its own token', async () => {
    writeFileSync(join(folder, 'b.token'), 'token-b-qWz4f9c1b7de2a85036dd51\n');
    policies(
      { name: 'a', token: 'token-a-qWz4f9c1b7de2a85036dd51', allow: ['{vault://aws/a/*}'] },
      { name: 'b', token_file: 'b.token', allow: ['{vault://aws/b/*}'] },
      {
        name: 'c',
        token_sha256: tokenDigest('token-c-qWz4f9c1b7de2a85036dd51').toUpperCase(),
        allow: [],
        role_arns: ['arn:x'],
      },
    );
    await open({ policiesFile });
    assert.deepEqual(
      [
        'token-a-qWz4f9c1b7de2a85036dd51',
        'token-b-qWz4f9c1b7de2a85036dd51',
        'token-c-qWz4f9c1b7de2a85036dd51',
        'first',
      ].map(clientOf),
      ['a', 'b', 'c', '(api_token_file)'],
    );
  });

  it('rotates the token of one application and leaves the others', async () => {
    writeFileSync(join(folder, 'b.token'), 'b-1-qWz4f9c1b7de2a85036dd51');
    const entry = { name: 'b', token_file: 'b.token', allow: ['{vault://aws/b/*}'] };
    policies({ name: 'a', token: 'a-1-qWz4f9c1b7de2a85036dd51', allow: [] }, entry);
    await open({ policiesFile });
    const before = access.grantOf({ 'x-vault-token': 'a-1-qWz4f9c1b7de2a85036dd51' })!.client;
    writeFileSync(join(folder, 'b.token'), 'b-2-qWz4f9c1b7de2a85036dd51');
    await access.look();
    assert.deepEqual(['b-1-qWz4f9c1b7de2a85036dd51', 'b-2-qWz4f9c1b7de2a85036dd51'].map(clientOf), ['b', 'b']);
    assert.equal(access.grantOf({ 'x-vault-token': 'a-1-qWz4f9c1b7de2a85036dd51' })!.client, before);
    await clock.advance(OVERLAP_MS);
    assert.deepEqual(['b-1-qWz4f9c1b7de2a85036dd51', 'b-2-qWz4f9c1b7de2a85036dd51'].map(clientOf), [undefined, 'b']);
  });

  it('is at once not an application that was taken out, and a changed policy holds at once for old tokens too', async () => {
    policies(
      { name: 'a', token: 'a-1-qWz4f9c1b7de2a85036dd51', allow: ['{vault://aws/a/*}'] },
      { name: 'b', token: 'b-1-qWz4f9c1b7de2a85036dd51', allow: [] },
    );
    await open({ policiesFile });
    const [a, b] = ['a-1-qWz4f9c1b7de2a85036dd51', 'b-1-qWz4f9c1b7de2a85036dd51'].map(
      (token) => access.grantOf({ 'x-vault-token': token })!,
    );
    let changes = 0;
    access.onChange(() => changes++);
    await access.look();
    assert.equal(changes, 0);
    policies({ name: 'a', token: 'a-2-qWz4f9c1b7de2a85036dd51', allow: ['{vault://aws/other/*}'] });
    await access.look();
    assert.equal(changes, 1);
    assert.equal(clientOf('b-1-qWz4f9c1b7de2a85036dd51'), undefined);
    assert.ok(!access.isCurrent(a!) && !access.isCurrent(b!));
    for (const token of ['a-1-qWz4f9c1b7de2a85036dd51', 'a-2-qWz4f9c1b7de2a85036dd51']) {
      const { client } = access.grantOf({ 'x-vault-token': token })!;
      assert.deepEqual(client.policy!.verdict('{vault://aws/a/x}'), { allowed: false });
    }
  });

  it('holds what it had when the policies become unusable', async () => {
    policies({ name: 'a', token: 'a-1-qWz4f9c1b7de2a85036dd51', allow: [] });
    await open({ policiesFile });
    writeFileSync(policiesFile, '{"policies":[{"name":"a","token":"secret-canary');
    await access.look();
    assert.equal(clientOf('a-1-qWz4f9c1b7de2a85036dd51'), 'a');
    assert.ok(!log.text().includes('secret-canary'));
    assert.match(log.text(), /is not JSON/);
  });

  for (const [what, text, told] of [
    ['no JSON', '{', /is not JSON/],
    ['another form', '[]', /must have the form/],
    ['no name', '{"policies":[{"token":"t-qWz4f9c1b7de2a85036dd51","allow":[]}]}', /policy 1 must have a name/],
    ['no patterns', '{"policies":[{"name":"a","token":"t-qWz4f9c1b7de2a85036dd51"}]}', /\(a\) must have allow/],
    [
      'a bad pattern',
      '{"policies":[{"name":"a","token":"t-qWz4f9c1b7de2a85036dd51","allow":["aws/*"]}]}',
      /is no pattern/,
    ],
    ['no token', '{"policies":[{"name":"a","allow":[]}]}', /must have one of token_file/],
    [
      'two tokens',
      '{"policies":[{"name":"a","token":"canary-qWz4f9c1b7de2a85036dd51","token_sha256":"x","allow":[]}]}',
      /must have one of token_file/,
    ],
    [
      'a weak token',
      '{"policies":[{"name":"a","token":"canary-weak","allow":[]}]}',
      /\(a\) has a token that is weaker/,
    ],
    ['a bad token', '{"policies":[{"name":"a","token":"canary canary","allow":[]}]}', /not shown/],
    [
      'a missing token file',
      '{"policies":[{"name":"a","token_file":"gone","allow":[]}]}',
      /token_file that is not there/,
    ],
    [
      'an unknown member',
      '{"policies":[{"name":"a","token":"canary-qWz4f9c1b7de2a85036dd51","alow":[]}]}',
      /a member that is not one of .*; did you mean allow\?/,
    ],
    [
      'one token twice',
      '{"policies":[{"name":"a","token":"canary-qWz4f9c1b7de2a85036dd51","allow":[]},{"name":"b","token":"canary-qWz4f9c1b7de2a85036dd51","allow":[]}]}',
      /a and b have the same token/,
    ],
    [
      'one name twice',
      '{"policies":[{"name":"a","token":"t-qWz4f9c1b7de2a85036dd51","allow":[]},{"name":"a","token":"u-qWz4f9c1b7de2a85036dd51","allow":[]}]}',
      /the same name/,
    ],
    [
      'the token of api_token_file',
      '{"policies":[{"name":"a","token":"first-qWz4f9c1b7de2a85036dd51","allow":[]}]}',
      /has the token of api_token_file/,
    ],
  ] as const) {
    it(`is not to be known from policies with ${what}`, async () => {
      writeFileSync(tokenFile, 'first-qWz4f9c1b7de2a85036dd51');
      writeFileSync(policiesFile, text);
      await assert.rejects(open({ policiesFile }), (error) => {
        assert.ok(error instanceof StartError);
        assert.match(error.message, told);
        assert.ok(!error.message.includes('canary') && !error.message.includes('\n'));
        return true;
      });
    });
  }

  it('may still be whoever has a weak token that was there before, and a warning names the setting', async () => {
    await open({ awsToken: 'plain-token' });
    await access.look();
    assert.ok(clientOf('first') && clientOf('plain-token'));
    for (const setting of ['api_token_file', 'AWS_TOKEN']) {
      const told = log
        .text()
        .split('\n')
        .filter((line) => line.includes('weaker than 128 bits') && line.includes(`"${setting}"`));
      assert.equal(told.length, 1, setting);
    }
    assert.ok(!log.text().includes('plain-token'));
    access.stop();
    writeFileSync(tokenFile, randomBytes(32).toString('base64url'));
    await open();
    assert.ok(!log.text().includes('weaker'));
  });

  it('is told from the variable of AWS’s provider too', async () => {
    await open({ awsToken: 'plain-token' });
    assert.ok(clientOf('plain-token') && clientOf('first'));
    access.stop();
    writeFileSync(join(folder, 'aws-token'), 'by-file\n');
    await open({ awsToken: `file:/${join(folder, 'aws-token').slice(1)}` });
    assert.ok(clientOf('by-file'));
    access.stop();
    await assert.rejects(open({ awsToken: 'file:///not/there' }), /there is no such file/);
    await assert.rejects(open({ awsToken: 'two words' }), /AWS_TOKEN \(not shown\)/);
  });
});
