import '@vaultplane/testkit/toy-vault.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import fc from 'fast-check';
import { Policy } from './policy.ts';

const allowed = (patterns: string[], reference: string) => new Policy(patterns).verdict(reference).allowed;

describe('a policy', () => {
  for (const [pattern, reference, expected] of [
    ['{vault://aws/app1/*}', '{vault://aws/app1/db}', true],
    ['{vault://aws/app1/*}', '{vault://aws/app1/db/password}', true],
    ['{vault://aws/app1/*}', '{vault://aws/app1%2Fdb/password?ttl=5#2}', true],
    ['{vault://aws/app1/*}', '{vault://aws/app2/db}', false],
    ['{vault://aws/app1/*}', '{vault://aws/app10/db}', false],
    ['{vault://aws/app1/*}', '{vault://other/app1/db}', false],
    ['{vault://aws/app1/*}', '{vault://aws/app1}', false],
    ['{vault://aws/app1/*}', '{vault://aws/app1/db?json_pointer=/a}', true],
    ['{vault://aws/app1/*}', '{vault://aws/app1?json_pointer=/a}', false],
    ['{vault://aws/app1/*}', '{vault://aws/app1/x?region=eu-west-1}', false],
    ['{vault://aws/app1/*?region=eu-west-1}', '{vault://aws/app1/x?region=eu-west-1}', true],
    ['{vault://aws/app1/*?region=eu-west-1}', '{vault://aws/app1/x}', false],
    ['{vault://env/app_*}', '{vault://env/app_x?prefix=OTHER_}', false],
    ['{vault://env/app_*}', '{vault://env/app_x?prefix=}', false],
    ['{vault://aws/db}', '{vault://aws/db}', true],
    ['{vault://aws/db}', '{vault://aws/db/password}', true],
    ['{vault://aws/db}', '{vault://aws/db2}', false],
    ['{vault://aws/db/password}', '{vault://aws/db/password}', true],
    ['{vault://aws/db/password}', '{vault://aws/db/user}', false],
    ['{vault://aws/db/password}', '{vault://aws/db}', false],
    ['{vault://aws/app1/db/*}', '{vault://aws/app1/db%2Fpassword}', true],
    ['{vault://aws/app1/db%2Fpass*}', '{vault://aws/app1/db%2Fpassword}', true],
    ['{vault://aws/app1/db*}', '{vault://aws/app1/db%2Fpassword/}', true],
    ['{vault://gcp/app*}', '{vault://gcp/app?project_id=finance-prod}', false],
    ['{vault://gcp/app*}', '{vault://gcp/app?project_i%64=finance-prod}', false],
    ['{vault://gcp/app*?project_id=finance-prod}', '{vault://gcp/app?project_id=finance-prod}', true],
    ['{vault://gcp/app*?project_id=finance-prod}', '{vault://gcp/app?project_id=finance-prod2}', false],
    ['{vault://gcp/app*?project_id=finance-prod}', '{vault://gcp/app}', false],
    ['{vault://toys/app*}', '{vault://toys/app?realm=attic}', false],
    ['{vault://aws/billing/*}', '{vault://aws/billing/}', false],
    ['{vault://aws/billing/*}', '{vault://aws/billing?json_pointer=/x}', false],
    ['{vault://aws/*}', '{vault://aws/billing/x?ttl=1&json_pointer=/y#2}', true],
    ['{vault://*/shared}', '{vault://anything/shared/key}', true],
    ['{vault://aws/*-read/*/x}', '{vault://aws/a-read/b/c/x}', true],
    ['{vault://aws/*-read/*/x}', '{vault://aws/a-read/x}', false],
    ['{vault://aws/a*a}', '{vault://aws/a}', false],
    ['{vault://aws/app1/*}', '{vault://aws/arn:aws:secretsmanager:us-east-1:1:secret:app1%2Fdb-AbCdEf/}', false],
    [
      '{vault://aws/arn:aws:secretsmanager:us-east-1:1:secret:app1/*}',
      '{vault://aws/arn:aws:secretsmanager:us-east-1:1:secret:app1%2Fdb-AbCdEf/}',
      true,
    ],
  ] as const) {
    it(`${pattern} ${expected ? 'allows' : 'does not allow'} ${reference}`, () => {
      assert.equal(allowed([pattern], reference), expected);
    });
  }

  for (const [pattern, reference, reading] of [
    ['{vault://aws/billing/*}', '{vault://aws/billing/x}', '{vault://aws/billing/x/}'],
    ['{vault://aws/billing/*}', '{vault://aws/%2Fbilling/x}', undefined],
    ['{vault://aws/billing/x*}', '{vault://aws/billing/x}', '{vault://aws/billing/x/}'],
    ['{vault://aws/billing/x}', '{vault://aws/billing/x}', 'both'],
    ['{vault://aws/bill*/x}', '{vault://aws/billing/x}', 'both'],
    ['{vault://aws/bill*}', '{vault://aws/billing/x}', 'both'],
    ['{vault://aws/billing}', '{vault://aws/billing/x}', '{vault://aws/billing/x}'],
    ['{vault://aws/billing/*/db}', '{vault://aws/billing/a/db}', 'both'],
    ['{vault://aws/app1/db/*}', '{vault://aws/app1/db%2Fpassword}', '{vault://aws/app1/db/password/}'],
  ] as const) {
    it(`${pattern} allows of ${reference} ${reading ?? 'no reading'}`, () => {
      const verdict = new Policy([pattern]).verdict(reference);
      if (reading === undefined) assert.deepEqual(verdict, { allowed: false });
      else assert.deepEqual(verdict, reading === 'both' ? { allowed: true } : { allowed: true, onlyReading: reading });
    });
  }

  it('of a secret holds for its keys, not for another secret that is named as one of them would be', () => {
    const policy = new Policy(['{vault://aws/db}']);
    assert.deepEqual(policy.verdict('{vault://aws/db/password}'), {
      allowed: true,
      onlyReading: '{vault://aws/db/password}',
    });
  });

  it('without patterns allows nothing', () => {
    assert.equal(allowed([], '{vault://aws/db}'), false);
  });

  it('refuses patterns that say something which it does not judge', () => {
    for (const pattern of ['aws/*', '{vault://aws/a#2}', '{vault://aws/a?ttl=1}', '{vault://A/a}', '{vault://aws}']) {
      assert.throws(() => new Policy([pattern]), VaultplaneError, pattern);
    }
  });

  it('matches wildcards as a regular expression would', () => {
    const text = fc.stringMatching(/^[ab]{1,12}$/);
    const pattern = fc.stringMatching(/^[ab*]{1,8}$/);
    fc.assert(
      fc.property(pattern, text, (glob, name) => {
        const expected = new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(name);
        assert.equal(allowed([`{vault://aws/${glob}}`], `{vault://aws/${name}}`), expected);
      }),
    );
  });
});
