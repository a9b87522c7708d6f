import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_TOLD_OF_ONE, WatchStory } from './watch-history.ts';

describe('what a watch remembers of what it told', () => {
  const numberOf = (id: string) => Number(id.split('.')[1]);

  it('does not grow with the time that it lasts', () => {
    const story = new WatchStory(new Map([['kept', 'before']]));
    let last = '';
    for (let event = 1; event <= 20 * MAX_TOLD_OF_ONE; event++)
      last = story.tell(`ref-${event % 3}`, `digest-${event}`);
    assert.equal(numberOf(last), 20 * MAX_TOLD_OF_ONE);
    assert.ok(story.size <= MAX_TOLD_OF_ONE + 4, String(story.size));
    const had = story.upTo(numberOf(last));
    assert.equal(had.get('kept'), 'before');
    assert.equal(had.get('ref-0'), `digest-${20 * MAX_TOLD_OF_ONE - ((20 * MAX_TOLD_OF_ONE) % 3)}`);
  });

  it('is what a reader had at each event that is remembered, and nothing where that is not known any more', () => {
    const story = new WatchStory(new Map());
    const ids = Array.from({ length: MAX_TOLD_OF_ONE + 10 }, (_, event) => story.tell('ref', `digest-${event}`));
    for (const event of [MAX_TOLD_OF_ONE / 2, MAX_TOLD_OF_ONE, ids.length - 1]) {
      assert.equal(story.upTo(numberOf(ids[event]!)).get('ref'), `digest-${event}`, String(event));
    }
    assert.equal(story.upTo(1).size, 0);
  });
});
