import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vectors } from '@vaultplane/testkit/vectors.ts';
import fc from 'fast-check';
import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { MAX_REFERENCE_BYTES, parseReference, printReference, type Reference, secondReading } from './reference.ts';

interface Case {
  reference: string;
  parsed?: Reference;
  or?: Omit<Reference, 'vault'>;
  error?: string;
}

describe('references', () => {
  for (const { reference, parsed, or, error } of vectors<{ cases: Case[] }>('references').cases) {
    it(`vector: ${JSON.stringify(reference)}`, () => {
      if (error) {
        assert.throws(() => parseReference(reference), { name: 'VaultplaneError', code: error });
        return;
      }
      const read = parseReference(reference);
      assert.deepEqual(read, parsed);
      const second = secondReading(read);
      assert.deepEqual(second, or && { vault: parsed?.vault, ...or });
    });
  }

  for (const option of [
    'endpoint_url=http://x',
    'assume_role_arn=arn:aws:iam::1:role/x',
    'sts_endpoint_url=x',
    'colour=1',
  ]) {
    it(`refuses the option ${option}`, () => {
      assert.throws(() => parseReference(`{vault://aws/db/pw?${option}}`), { code: 'invalid_option' });
    });
  }

  for (const option of [
    'ttl=-1',
    'ttl=soon',
    'ttl=100000001',
    'ttl=',
    'ttl=1&ttl=2',
    'region=evil.example/',
    'region=',
    'json_pointer=a',
  ]) {
    it(`refuses the option value ${option}`, () => {
      assert.throws(() => parseReference(`{vault://aws/db/pw?${option}}`), { code: 'invalid_option' });
    });
  }

  it('refuses a version given twice', () => {
    assert.throws(() => parseReference('{vault://aws/db/pw?version_stage=AWSPENDING#2}'), { code: 'invalid_option' });
  });

  it('reads a path with a json_pointer as a secret without a key', () => {
    assert.deepEqual(parseReference('{vault://aws/db/main?json_pointer=/a/b}'), {
      vault: 'aws',
      path: 'db/main',
      options: { json_pointer: '/a/b' },
    });
  });

  it('refuses a reference of more than 2 KiB, and takes one of just that', () => {
    const longest = `{vault://aws/${'a'.repeat(MAX_REFERENCE_BYTES - '{vault://aws/}'.length)}}`;
    assert.equal(parseReference(longest).path.length, MAX_REFERENCE_BYTES - '{vault://aws/}'.length);
    assert.throws(() => parseReference(longest.replace('}', 'a}')), { code: 'invalid_reference' });
  });

  it('gives back what it printed', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).filter((text) => !/\p{Cc}/u.test(text));
    const arbitrary = fc
      .record(
        {
          vault: fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/),
          path: name,
          key: name,
          version: fc.integer({ min: 1, max: 9 }),
          options: fc.record(
            {
              region: fc.constant('eu-west-1'),
              prefix: fc.stringMatching(/^([a-zA-Z_][a-zA-Z0-9_-]{0,20})?$/),
              ttl: fc.constant('60'),
            },
            { requiredKeys: ['ttl'] },
          ),
        },
        { requiredKeys: ['vault', 'path'] },
      )
      .filter((reference) => Buffer.byteLength(printReference(reference as Reference)) <= MAX_REFERENCE_BYTES);
    fc.assert(
      fc.property(arbitrary, (reference) => {
        const again = parseReference(printReference(reference as Reference));
        assert.deepEqual(
          { ...again, options: { ...again.options } },
          { ...reference, options: { ...reference.options } },
        );
      }),
    );
  });

  it('throws nothing but its own errors', () => {
    const pieces = fc.constantFrom(
      '{vault://',
      'aws',
      '/',
      '#',
      '?',
      '%',
      '%2F',
      '&',
      '=',
      '}',
      'a',
      'ttl',
      '1',
      '\ud800',
      'é',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((parts) => `{vault://aws/${parts.join('')}}`),
    );
    fc.assert(
      fc.property(fc.oneof(text, fc.anything()), (input) => {
        try {
          parseReference(input);
        } catch (error) {
          assert.ok(error instanceof VaultplaneError, String(error));
          assert.ok(['not_a_reference', 'invalid_reference', 'invalid_option'].includes(error.code));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
