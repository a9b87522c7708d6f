import assert from 'node:assert/strict';
import { it } from 'node:test';
import { mapInTurns } from './next-turn.ts';

it('long work over many items lets others in, and gives all in order', async () => {
  let turns = 0;
  const counting = setInterval(() => turns++, 0);
  const busy = (item: number) => {
    const end = performance.now() + 2;
    while (performance.now() < end);
    return item * 2;
  };
  const made = await mapInTurns(
    Array.from({ length: 100 }, (_, item) => item),
    busy,
  );
  clearInterval(counting);
  assert.deepEqual(
    made,
    Array.from({ length: 100 }, (_, item) => item * 2),
  );
  assert.ok(turns >= 5, String(turns));
  await assert.rejects(
    mapInTurns([1], () => {
      throw new Error('of the second');
    }),
    /of the second/,
  );
});
