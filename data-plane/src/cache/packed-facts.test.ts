import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { packFacts, unpackFacts, type VersionFacts } from './packed-facts.ts';

const lettersAndDigits = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'];
const name = fc.oneof(fc.stringMatching(/^[\w/+=.@-]{1,40}$/), fc.string({ unit: 'binary' }));
const suffix = fc.string({ unit: fc.constantFrom(...lettersAndDigits), minLength: 6, maxLength: 6 });
const place = fc.constantFrom('arn:aws:secretsmanager:us-east-1:123456789012:secret:', 'arn:aws-cn:', '');
const time = fc.oneof(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.double({ noNaN: true, noDefaultInfinity: true }));

/** Facts in AWS's usual form, and each of them now and then in another. */
const secrets = fc
  .record({ name, suffix, place, uuid: fc.uuid(), created: time, fetched: time })
  .chain(({ name, suffix, place, uuid, created, fetched }) =>
    fc.record({
      name: fc.constant(name),
      facts: fc.record({
        version: fc.record({
          id: fc.oneof(fc.constant(uuid), fc.constant(null), fc.constant(uuid.toUpperCase()), fc.string()),
          stages: fc.oneof(fc.constant(['AWSCURRENT']), fc.array(fc.string(), { maxLength: 2 })),
        }),
        createdAt: fc.oneof(fc.constant(created), fc.constant(null)),
        arn: fc.oneof(fc.constant(`${place}${name}-${suffix}`), fc.constant(null), fc.string({ unit: 'binary' })),
        wallFetchedAt: fc.constant(fetched),
      }),
    }),
  );

/** -0 and 0 are one time. */
function plain(facts: VersionFacts): unknown {
  return JSON.parse(JSON.stringify(facts));
}

describe('packed facts', () => {
  it('are what they were, whatever a vault says', () => {
    fc.assert(
      fc.property(secrets, ({ name, facts }) => {
        assert.deepEqual(plain(unpackFacts(packFacts(facts, name), name)), plain(facts));
      }),
      { numRuns: 2000 },
    );
  });

  it('of a current version of AWS are a short text, of which the version and the ARN are no part', () => {
    const version = { id: 'c1b2a3d4-0f1e-4d3c-8b7a-0123456789ab', stages: ['AWSCURRENT'] };
    const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-AbCdEf';
    const facts = {
      version,
      arn,
      createdAt: Date.UTC(2026, 0, 1, 1, 2, 3, 456),
      wallFetchedAt: Date.UTC(2026, 10, 24),
    };
    const packed = packFacts(facts, 'app/db');
    assert.equal(packed.length, 36);
    assert.ok(!packed.includes('app/db') && !packed.includes('c1b2'));
    assert.deepEqual(unpackFacts(packed, 'app/db'), facts);
  });

  it('of more accounts and regions than are numbered are what they were too', () => {
    for (let account = 0; account < 400; account++) {
      const arn = `arn:aws:secretsmanager:us-east-1:${account}:secret:db-AbCdEf`;
      const version = { id: '00000000-0000-4000-8000-000000000000', stages: ['AWSCURRENT'] };
      const facts = { version, arn, createdAt: 1, wallFetchedAt: 2 };
      assert.deepEqual(unpackFacts(packFacts(facts, 'db'), 'db'), facts);
    }
  });
});
