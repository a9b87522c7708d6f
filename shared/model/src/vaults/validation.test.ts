import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../snapshots/canonical.ts';
import { SchemaViolation } from './schema-violation.ts';
import { checkVault, prefixError } from './validation.ts';

function violation(input: Record<string, unknown>): SchemaViolation {
  try {
    checkVault(input);
  } catch (error) {
    if (error instanceof SchemaViolation) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

describe('a vault as a user gives it', () => {
  it('keeps exactly the members of config that were set', () => {
    const vault = checkVault({ name: 'aws', prefix: 'a-b', config: { region: 'us-east-1', ttl: null } });
    assert.deepEqual(vault, {
      prefix: 'a-b',
      name: 'aws',
      description: null,
      config: { region: 'us-east-1' },
      tags: null,
    });
  });

  it('has its id in lower case, its tags once each, and its created_at', () => {
    const vault = checkVault({
      id: 'F4AECADC-05C7-11E6-8D41-1F3B3D5FA15C',
      name: 'env',
      prefix: 'a-b',
      tags: ['x', 'y', 'x'],
      created_at: 5,
      updated_at: 6,
    });
    assert.equal(vault.id, 'f4aecadc-05c7-11e6-8d41-1f3b3d5fa15c');
    assert.deepEqual(vault.tags, ['x', 'y']);
    assert.equal(vault.created_at, 5);
    assert.ok(!('updated_at' in vault));
  });

  it('is judged as a whole, members of arrays by their place', () => {
    const { fields, message } = violation({
      name: 'aws',
      prefix: 'a-b',
      tags: ['ok', 'a/b', 7],
      config: { allowed_role_arns: ['x'] },
    });
    assert.deepEqual(Object.keys(fields), ['config', 'tags']);
    assert.match(
      message,
      /^3 schema violations \(config\.allowed_role_arns\.1: invalid value: x; tags\.2: invalid tag /,
    );
    assert.match(message, /tags\.3: expected a string\)$/);
  });

  it('can smuggle in no field by the name of a prototype', () => {
    const input = JSON.parse('{"name":"env","prefix":"a-b","__proto__":1,"config":{"__proto__":2}}');
    assert.equal(
      violation(input).message,
      '2 schema violations (__proto__: unknown field; config.__proto__: unknown field)',
    );
    assert.equal(
      violation({ name: 'env', prefix: 'a-b', constructor: 1 }).message,
      'schema violation (constructor: unknown field)',
    );
  });

  it('has no text that the database could not keep', () => {
    for (const description of ['a\0b', '\ud800', '']) violation({ name: 'env', prefix: 'a-b', description });
  });

  it('whose endpoint has a password is refused without repeating it', () => {
    const { message } = violation({
      name: 'aws',
      prefix: 'a-b',
      config: { endpoint_url: 'https://me:canary@example.com' },
    });
    assert.doesNotMatch(message, /canary/);
  });

  it('either passes, and then passes again unchanged, or breaks its schema: whatever it is', () => {
    const member = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.array(fc.string()));
    const input = fc.record(
      {
        id: member,
        name: fc.constantFrom('aws', 'env', 'nope', 7),
        prefix: fc.oneof(member, fc.constantFrom('a-b', 'env')),
        description: member,
        tags: member,
        created_at: member,
        config: fc.oneof(member, fc.dictionary(fc.constantFrom('region', 'ttl', 'prefix', 'x'), member)),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(input, (given) => {
        try {
          const vault = checkVault(given);
          const again = checkVault(JSON.parse(JSON.stringify(vault)));
          assert.equal(canonicalJson(again), canonicalJson(vault));
        } catch (error) {
          if (!(error instanceof SchemaViolation)) throw error;
        }
      }),
    );
  });
});

it('a Google project may have the id of one today or of old, a number, and nothing that leaves its place in a URL', () => {
  const projectOf = (project_id: string) => checkVault({ prefix: 'my-gcp', name: 'gcp', config: { project_id } });
  for (const id of ['my-project', '123456789012', 'Example.com:Shop-Api'])
    assert.equal(projectOf(id).config.project_id, id);
  for (const id of ['a/b', '../x', 'a b', 'a?b', '-a', 'A:']) assert.throws(() => projectOf(id), SchemaViolation);
});

it('a prefix is judged alone too', () => {
  assert.equal(prefixError('a-b'), undefined);
  assert.match(prefixError('env')!, /^must not be one of: .*env/);
  // Vault types of Kong's that are none here.
  for (const name of ['azure', 'azure-certs', 'conjur', 'fs'])
    assert.match(prefixError(name)!, /^must not be one of: /);
  assert.equal(prefixError('9x'), 'invalid value: 9x');
  assert.equal(prefixError('a'.repeat(300)), 'length must be at most 256');
});
