import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  anything,
  boolean,
  byType,
  bytes,
  exactly,
  type Form,
  integer,
  listOf,
  mapOf,
  object,
  optional,
  orNull,
  text,
  textLike,
  tuple,
} from './message-form.ts';

const Person = object({ type: exactly('person'), name: text(5), age: optional(integer(0, 150)) });
const Place = object({
  type: exactly('place'),
  at: tuple(integer(), orNull(textLike(/^[a-z]+$/))),
  tags: listOf(text(), 2),
});

for (const [what, form, right, wrong] of [
  ['a text', text(3), ['', 'abc'], ['abcd', 7, null, ['a'], new String('a')]],
  ['a text of a pattern', textLike(/^a+$/), ['a'], ['', 'b', null]],
  ['an integer', integer(0, 9), [0, 9], [-1, 10, 1.5, '1', NaN, 1n, null]],
  ['a boolean', boolean, [true, false], [0, 'true', null, undefined]],
  ['one of some texts', exactly('a', 'b'), ['a', 'b'], ['c', null, ['a']]],
  ['a form or null', orNull(text()), ['', null], [undefined, 0]],
  ['a list', listOf(integer(), 2), [[], [1, 2]], [[1, 2, 3], ['1'], { length: 0 }, null]],
  ['a tuple', tuple(integer(), text()), [[1, 'a']], [[1], [1, 'a', 2], ['a', 1], {}]],
  ['a map', mapOf(boolean), [{}, { a: true }], [{ a: 1 }, [], null, 'a']],
  ['bytes', bytes, [new Uint8Array(), Buffer.from('a')], ['a', [1], new ArrayBuffer(1)]],
  ['anything', anything, [undefined, null, {}, 1], []],
  [
    'an object',
    Person,
    [
      { type: 'person', name: 'a' },
      { type: 'person', name: 'a', age: 1, more: 2 },
    ],
    [{ type: 'person' }, { type: 'person', name: 'a', age: null }, { type: 'place', name: 'a' }, [], null],
  ],
  [
    'an object by its type',
    byType({ person: Person, place: Place }),
    [
      { type: 'person', name: 'a' },
      { type: 'place', at: [1, null], tags: ['a'] },
    ],
    [{ type: 'place', name: 'a' }, { type: 'toString' }, { type: '__proto__' }, { type: 7 }, {}, 'person', null],
  ],
] as Array<[string, Form<unknown>, unknown[], unknown[]]>) {
  it(`tells ${what} from what is none`, () => {
    for (const value of right) assert.equal(form(value), true, String(value));
    for (const value of wrong) assert.equal(form(value), false, String(value));
  });
}

it('throws at no value at all', () => {
  const forms = [Person, Place, byType({ person: Person }), listOf(Person), mapOf(Place), tuple(Person), bytes];
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }), (value) => {
      for (const form of forms) assert.equal(typeof form(value), 'boolean');
    }),
  );
});
