import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeOnBothDatabases, storeOn } from './testing/stores.ts';
import { ensureTimeline, renewTimeline } from './timeline.ts';

describeOnBothDatabases('the timeline', (open) => {
  it('stays as long as the database is the same, and is another once it was restored elsewhere', async () => {
    const database = await open();
    const { config } = await storeOn(database);
    const { timeline } = await config.position();
    await ensureTimeline(database);
    assert.equal((await config.position()).timeline, timeline);
    await database.query("update config_state set origin = 'another server'");
    await ensureTimeline(database);
    const renewed = (await config.position()).timeline;
    assert.notEqual(renewed, timeline);
    await ensureTimeline(database);
    assert.equal((await config.position()).timeline, renewed);
  });

  it('is renewed once, however many prove it wrong', async () => {
    const database = await open();
    const { config } = await storeOn(database);
    const { timeline } = await config.position();
    await renewTimeline(database, timeline);
    const renewed = (await config.position()).timeline;
    assert.notEqual(renewed, timeline);
    await renewTimeline(database, timeline);
    assert.equal((await config.position()).timeline, renewed);
  });
});
