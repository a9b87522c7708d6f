import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { SecretValue } from './secret-value.ts';

const json = SecretValue.ofText(
  '{"s":"text","empty":"","big":12345678901234567890,"price":1.10,"exp":1E400,"neg":-0,"yes":true,"none":null,' +
    '"list":[1,{"x":"y"}],"map":{"a/b":1,"m~n":2,"":3},"__proto__":"own","twice":1,"twice":2}',
);

describe('picking from a secret', () => {
  for (const [key, expected] of Object.entries({
    s: 'text',
    empty: '',
    big: '12345678901234567890',
    price: '1.10',
    exp: '1E400',
    neg: '-0',
    yes: 'true',
    twice: '2',
  })) {
    it(`gives the member ${key} as ${JSON.stringify(expected)}`, () => assert.equal(json.pick({ key }), expected));
  }

  it('reads JSON behind a byte order mark, and gives the whole as it is', () => {
    const marked = SecretValue.ofText('\ufeff{"a":1.10}');
    assert.equal(marked.pick({ key: 'a' }), '1.10');
    assert.equal(marked.pick({ pointer: '/a' }), '1.10');
    assert.equal(marked.pick('whole'), '\ufeff{"a":1.10}');
  });

  it('takes only own members, whatever their names', () => {
    assert.equal(json.pick({ key: '__proto__' }), 'own');
    for (const key of ['constructor', 'toString', 'hasOwnProperty']) {
      assert.throws(() => json.pick({ key }), { code: 'key_not_found' });
    }
    const other = SecretValue.ofText('{}');
    assert.throws(() => other.pick({ key: '__proto__' }), { code: 'key_not_found' });
  });

  for (const key of ['none', 'list', 'map']) {
    it(`refuses the member ${key} as no scalar`, () => {
      assert.throws(() => json.pick({ key }), { code: 'key_not_scalar' });
    });
  }

  for (const text of ['', 'plain', '"json string"', '[1]', '12', 'null', '{"a":1', '{"a":1}x', '['.repeat(60_000)]) {
    it(`finds no JSON object in ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => SecretValue.ofText(text).pick({ key: 'a' }), { code: 'not_json' });
    });
  }

  for (const [pointer, expected] of Object.entries({
    '/list/0': '1',
    '/list/1/x': 'y',
    '/map/a~1b': '1',
    '/map/m~0n': '2',
    '/map/': '3',
    '/s': 'text',
  })) {
    it(`follows the pointer ${pointer}`, () => assert.equal(json.pick({ pointer }), expected));
  }

  for (const [pointer, code] of Object.entries({
    '/list/2': 'key_not_found',
    '/list/00': 'key_not_found',
    '/list/-': 'key_not_found',
    '/list/length': 'key_not_found',
    '/s/0': 'key_not_found',
    '/none/x': 'key_not_found',
    '/map': 'key_not_scalar',
    '': 'key_not_scalar',
  })) {
    it(`answers ${code} for the pointer ${JSON.stringify(pointer)}`, () => {
      assert.throws(() => json.pick({ pointer }), { code });
    });
  }

  it('follows the empty pointer into a document that is a scalar', () => {
    assert.equal(SecretValue.ofText('"x"').pick({ pointer: '' }), 'x');
  });

  it('gives a binary secret as base64 and never reads it as JSON', () => {
    const binary = SecretValue.ofBinary(Buffer.from('{"a":1}'));
    assert.equal(binary.pick('whole'), Buffer.from('{"a":1}').toString('base64'));
    assert.equal(binary.encoding, 'base64');
    assert.throws(() => binary.pick({ key: 'a' }), { code: 'not_json' });
  });

  it('gives any string member back as it was, by whatever name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (key, value) => {
        const text = `{${JSON.stringify(key)}:${JSON.stringify(value)}}`;
        assert.equal(SecretValue.ofText(text).pick({ key }), value);
      }),
    );
  });
});

describe('a secret value', () => {
  it('is shown by nothing that prints objects, nor by an error about it', () => {
    const canary = 'c4n4ry';
    const value = SecretValue.ofText(`{"k":{"${canary}":1}, broken ${canary}`);
    const printed = [inspect({ value }, { depth: 9, showHidden: true }), JSON.stringify({ value }), `${value}`];
    for (const pick of [{ key: 'k' }, { pointer: '/k' }]) {
      try {
        value.pick(pick);
      } catch (error) {
        printed.push(inspect(error, { showHidden: true }), String((error as Error).stack));
      }
    }
    assert.equal(printed.length, 7);
    for (const text of printed) assert.ok(!text.includes(canary), text);
  });
});
