import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { messagePackProblem } from './message-pack.ts';

const packr = new Packr({ useRecords: false, mapsAsObjects: true });
const LIMITS = { maxValues: 1000, maxDepth: 16 };

it('finds nothing wrong with what the encoder makes, and something with every beginning of it and with more behind it', () => {
  const json = fc.jsonValue({ maxDepth: 6 });
  fc.assert(
    fc.property(json, fc.nat(), (value, cut) => {
      const bytes = packr.pack(value);
      assert.equal(messagePackProblem(bytes, { maxValues: Infinity, maxDepth: 16 }), undefined);
      assert.ok(messagePackProblem(bytes.subarray(0, cut % bytes.length), LIMITS));
      assert.equal(messagePackProblem(Buffer.concat([bytes, Buffer.of(0xc0)]), LIMITS), 'something follows it');
    }),
  );
  const odd = {
    u: undefined,
    big: 2 ** 50,
    low: -(2 ** 40),
    half: 0.5,
    bytes: Buffer.alloc(300),
    long: 'x'.repeat(70_000),
  };
  assert.equal(messagePackProblem(packr.pack(odd), LIMITS), undefined);
  const many = Array.from({ length: 70_000 }, (_, index) => index);
  assert.equal(messagePackProblem(packr.pack(many), { maxValues: 100_000, maxDepth: 16 }), undefined);
});

it('refuses lengths that the bytes do not hold, too many values, depth, and extension types', () => {
  // Of each kind that has a length of four bytes: text, bytes, list, map.
  for (const type of [0xdb, 0xc6, 0xdd, 0xdf])
    assert.match(messagePackProblem(Buffer.from([type, 0xff, 0xff, 0xff, 0xff, 0]), LIMITS)!, /ends too early/);
  const nested = Buffer.alloc(500);
  for (let at = 0; at < 500; at += 5) nested.set([0xdd, 0, 0, 0, 100], at);
  assert.match(messagePackProblem(nested, { maxValues: Infinity, maxDepth: 1000 })!, /ends too early/);
  assert.match(messagePackProblem(packr.pack(Array(1000).fill(0)), LIMITS)!, /more than 1000 values/);
  assert.match(messagePackProblem(Buffer.from([...Array(17).fill(0x91), 0xc0]), LIMITS)!, /nested more than 16 deep/);
  // A date, a record, a set, a regular expression, a pointer, and the type that no version of the format has.
  const date = packr.pack(new Date());
  const others = ['d47240', 'd5730000', 'c70178c0', 'd66900000000', 'c1'].map((hex) => Buffer.from(hex, 'hex'));
  for (const bytes of [date, ...others]) assert.match(messagePackProblem(bytes, LIMITS)!, /not plain MessagePack/);
  assert.match(messagePackProblem(Buffer.alloc(0), LIMITS)!, /ends too early/);
});

it('reads a view into a larger buffer as that view', () => {
  const bytes = Buffer.concat([
    Buffer.alloc(7, 0xc1),
    packr.pack({ a: [1, 2, 'x'.repeat(300)] }),
    Buffer.alloc(3, 0xc1),
  ]);
  assert.equal(messagePackProblem(bytes.subarray(7, bytes.length - 3), LIMITS), undefined);
});
