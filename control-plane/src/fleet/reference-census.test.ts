import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { REFERENCE_STATES, type ReferencesMessage } from '@vaultplane/model/protocol/protocol.ts';
import fc from 'fast-check';
import { Interner } from './interner.ts';
import { type MemberReferences, ReferenceCensus } from './reference-census.ts';

const message = (members: Partial<ReferencesMessage>): ReferencesMessage => ({
  type: 'references',
  names: [],
  held: [],
  gone: [],
  complete: true,
  ...members,
});

describe('the census of references', () => {
  it('says of each secret how many serve which version in which state, and since when the oldest', async () => {
    const census = new ReferenceCensus();
    const [one, two, three] = [census.join(), census.join(), census.join()];
    one.take(message({ names: [[0, 'aws', '{vault://aws/db}']], held: [[0, 0, 'v1', 1000]] }));
    two.take(message({ names: [[9, 'aws', '{vault://aws/db}']], held: [[9, 0, 'v1', 900]] }));
    three.take(
      message({
        names: [
          [1, 'aws', '{vault://aws/db}'],
          [2, 'aws', '{vault://aws/gone}'],
          [3, 'aws', '{vault://aws/named-only}'],
        ],
        held: [
          [1, 2, 'v0', 100],
          [2, 3, null, null],
        ],
        complete: false,
      }),
    );
    assert.deepEqual(await census.count(), {
      data_planes: 3,
      complete: 2,
      tallies: [
        {
          vault: 'aws',
          reference: '{vault://aws/db}',
          servings: [
            { version_id: 'v1', state: 'fresh', data_planes: 2, oldest_fetched_at: 900 },
            { version_id: 'v0', state: 'resurrected', data_planes: 1, oldest_fetched_at: 100 },
          ],
        },
        {
          vault: 'aws',
          reference: '{vault://aws/gone}',
          servings: [{ version_id: null, state: 'negative', data_planes: 1, oldest_fetched_at: null }],
        },
      ],
    });
    three.take(message({ held: [[1, 0, 'v1', 1100]], gone: [2, 3] }));
    two.leave();
    const { tallies, data_planes } = await census.count();
    assert.equal(data_planes, 2);
    assert.deepEqual(tallies, [
      {
        vault: 'aws',
        reference: '{vault://aws/db}',
        servings: [{ version_id: 'v1', state: 'fresh', data_planes: 2, oldest_fetched_at: 1000 }],
      },
    ]);
    one.leave();
    three.leave();
    // What comes by a link that has ended is of nobody.
    one.take(message({ names: [[0, 'aws', 'x']], held: [[0, 0, null, null]] }));
    assert.deepEqual(await census.count(), { tallies: [], data_planes: 0, complete: 0 });
  });

  it('takes a number for what it was named last, and none without a name', async () => {
    const census = new ReferenceCensus();
    const member = census.join();
    member.take(message({ names: [[5, 'aws', 'a']], held: [[5, 0, 'v', 1]] }));
    member.take(message({ gone: [5], names: [[5, 'aws', 'b']], held: [[5, 1, 'v', 2]] }));
    assert.deepEqual(
      (await census.count()).tallies.map(({ reference }) => reference),
      ['b'],
    );
    assert.throws(() => member.take(message({ held: [[6, 0, null, null]] })), { name: 'ProtocolError' });
    assert.throws(() => member.take(message({ held: [[99_999, 0, null, null]] })), { name: 'ProtocolError' });
    assert.throws(
      () => {
        for (let number = 0; number < 20_000; number++)
          member.take(message({ names: [[number, 'aws', 'x'.repeat(8000)]] }));
      },
      { name: 'ProtocolError', message: /too long/ },
    );
  });

  it('is what all have told, whatever they tell while it is counted', async () => {
    const number = fc.integer({ min: 0, max: 5 });
    const step = fc.record({
      member: fc.integer({ min: 0, max: 2 }),
      leave: fc.boolean(),
      gone: fc.array(number, { maxLength: 2 }),
      named: fc.array(
        fc.tuple(
          number,
          fc.constantFrom('a', 'b', 'c'),
          fc.integer({ min: 0, max: 3 }),
          fc.constantFrom('1', '2', null),
        ),
      ),
      count: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step), async (steps) => {
        const census = new ReferenceCensus();
        const members: MemberReferences[] = [census.join(), census.join(), census.join()];
        const model = [new Map<number, string>(), new Map<number, string>(), new Map<number, string>()];
        const counts: Promise<unknown>[] = [];
        for (const { member, leave, gone, named, count } of steps) {
          if (leave) {
            members[member]!.leave();
            members[member] = census.join();
            model[member]!.clear();
          }
          for (const freed of gone) model[member]!.delete(freed);
          for (const [at, name, state, version] of named)
            model[member]!.set(at, `${name} ${version} ${REFERENCE_STATES[state]}`);
          members[member]!.take(
            message({
              gone,
              names: named.map(([at, name]) => [at, 'aws', name]),
              // The last word for a number that is named twice.
              held: named.map(([at, , state, version]) => [at, state, version, 1]),
            }),
          );
          if (count) counts.push(census.count());
        }
        await Promise.all(counts);
        const { tallies } = await census.count();
        const told = tallies.flatMap(({ reference, servings }) =>
          servings.flatMap(({ version_id, state, data_planes }) =>
            Array(data_planes).fill(`${reference} ${version_id} ${state}`),
          ),
        );
        assert.deepEqual(told.sort(), model.flatMap((held) => [...held.values()]).sort());
      }),
    );
  });
});

describe('an interner', () => {
  it('forgets a text that nobody holds, and gives its number to another, but not while numbers are kept', async () => {
    const interner = new Interner();
    const a = interner.acquire('a');
    assert.equal(interner.acquire('a'), a);
    interner.release(a);
    assert.equal(interner.size, 1);
    await interner.keepNumbers(async () => {
      interner.release(a);
      assert.equal(interner.size, 0);
      assert.equal(interner.text(a), 'a');
      assert.notEqual(interner.acquire('b'), a);
    });
    assert.equal(interner.acquire('c'), a);
  });
});
