import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { overJsonBounds } from './json-bounds.ts';

const BOUNDS = { values: 100, depth: 4, members: 10 };
const over = (value: unknown) => overJsonBounds(typeof value === 'string' ? value : JSON.stringify(value), BOUNDS);
const object = (members: number) => Object.fromEntries(Array.from({ length: members }, (_, n) => [`m${n}`, n]));

describe('bounds of JSON', () => {
  it('hold up to the last value, level and member', () => {
    assert.equal(over(Array.from({ length: 98 }, (_, n) => n)), undefined);
    assert.equal(over('[[[[1]]]]'), undefined);
    assert.equal(over(object(10)), undefined);
    assert.equal(over([object(10), object(10)]), undefined, 'members are counted for each object');
  });

  it('name what there is too much of', () => {
    assert.equal(over(Array.from({ length: 101 }, (_, n) => n)), 'more than 100 values');
    assert.equal(over('[],'.repeat(60)), 'more than 100 values');
    assert.equal(over('[[[[[1]]]]]'), 'more than 4 levels of nesting');
    assert.equal(over('['.repeat(1_000_000)), 'more than 4 levels of nesting');
    assert.equal(over(object(11)), 'an object with more than 10 members');
    assert.equal(over({ a: { b: object(11) } }), 'an object with more than 10 members');
  });

  it('count nothing inside strings', () => {
    assert.equal(over([',,[[[[[[{{{{'.repeat(100), '"[[[[[[\\', '\\"[[[[[[,']), undefined);
    assert.equal(over({ [`${'{['.repeat(50)}\\"`]: 1 }), undefined);
  });

  it('are looked at to the end of a text that is no JSON', () => {
    for (const text of ['', '"', '"\\', ']', '}}', '[}', 'x,x', ']]]]]],']) assert.equal(over(text), undefined, text);
  });
});
