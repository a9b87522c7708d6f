import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import type { StatusFacts } from '../status/status-facts.ts';
import { OutageSwitch } from './outage-switch.ts';
import { type RehearsalOrder, type RehearsalProgress, type RehearsalReport, Rehearsals } from './rehearsals.ts';

/** As much of a status as a rehearsal looks at. */
function status() {
  return {
    config: { version: 3, disk_problem: null as string | null },
    references: { fresh: 2, stale: 0, resurrected: 1, negative: 0 },
    secrets_on_disk: { persisted: false, problem: null as string | null },
    lookups: { immediate: 10, waited: 1, waiting: 0, errors: { not_found: 4 } as Record<string, number> },
  };
}

function stage() {
  const clock = new FakeClock(1_000_000);
  const outages = new OutageSwitch();
  const facts = status();
  let drops = 0;
  const progress: RehearsalProgress[] = [];
  const reports: RehearsalReport[] = [];
  const rehearsals = new Rehearsals({
    outages,
    facts: () => facts as unknown as StatusFacts,
    dropLink: () => drops++,
    clock,
    log: silentLog,
  });
  const begin = (order: Partial<RehearsalOrder> = {}) =>
    rehearsals.begin(
      { outage: 'aws-outage', seconds: 10, strict: false, ...order },
      { progress: (now) => progress.push(now), ended: (report) => reports.push(report) },
    );
  return { clock, outages, facts, progress, reports, rehearsals, begin, drops: () => drops };
}

describe('a rehearsed outage', () => {
  it('ends by itself when its time is over, and tells every second how it goes', async () => {
    const { clock, outages, progress, reports, rehearsals, begin } = stage();
    begin();
    assert.equal(outages.current, 'aws-outage');
    assert.deepEqual(rehearsals.facts, {
      outage: 'aws-outage',
      strict: false,
      began_at: new Date(1_000_000).toISOString(),
      ends_at: new Date(1_010_000).toISOString(),
    });
    await clock.advance(9_999);
    assert.equal(outages.current, 'aws-outage');
    await clock.advance(1);
    assert.equal(outages.current, null);
    assert.equal(rehearsals.facts, null);
    assert.deepEqual(
      progress.map(({ left_s }) => left_s),
      [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
    );
    assert.deepEqual([reports.length, reports[0]!.ended_by, reports[0]!.lasted_s], [1, 'time', 10]);
    assert.equal(clock.pending, 0);
  });

  it('is not longer because the clock is set back, and not shorter because it is set forward', async () => {
    const { clock, outages, begin } = stage();
    begin();
    await clock.advance(4_000);
    clock.set(clock.now() - 3_600_000);
    await clock.advance(5_000);
    assert.equal(outages.current, 'aws-outage');
    clock.set(clock.now() + 7_200_000);
    await clock.advance(999);
    assert.equal(outages.current, 'aws-outage');
    await clock.advance(1);
    assert.equal(outages.current, null);
  });

  it('ends at once when whoever ordered it is gone, once', async () => {
    const { clock, outages, reports, begin } = stage();
    const end = begin();
    await clock.advance(2_500);
    end('caller gone');
    assert.equal(outages.current, null);
    end('caller gone');
    await clock.advance(20_000);
    assert.deepEqual(
      reports.map(({ ended_by, lasted_s }) => [ended_by, lasted_s]),
      [['caller gone', 2.5]],
    );
  });

  it('is the only one: another is refused, and its end is not the end of a later one', () => {
    const { outages, reports, rehearsals, begin } = stage();
    const end = begin();
    assert.throws(() => begin(), { code: 'too_many' });
    assert.ok(rehearsals.end('request'));
    assert.ok(!rehearsals.end('request'));
    begin({ outage: 'cp-outage' });
    end('caller gone');
    assert.equal(outages.current, 'cp-outage');
    assert.equal(reports.length, 1);
  });

  it('ends a link again and again while control planes are cut off, and refuses new ones', async () => {
    const { clock, outages, drops, begin } = stage();
    begin({ outage: 'cp-outage', seconds: 3 });
    assert.throws(() => outages.refuseControlPlane(), /a drill \(cp-outage\)/);
    await clock.advance(2_500);
    assert.equal(drops(), 3);
    await clock.advance(500);
    outages.refuseControlPlane();
  });

  it('reports the lookups of its time alone, and what a restart would have lacked', async () => {
    const { clock, facts, reports, begin } = stage();
    begin();
    facts.lookups = { immediate: 110, waited: 3, waiting: 0, errors: { not_found: 4, unavailable: 2 } };
    await clock.advance(10_000);
    assert.deepEqual(reports[0]!.lookups, { served: 102, failed: { unavailable: 2 } });
    assert.deepEqual(reports[0]!.restart_would_lack, ['the values held (of 3 secrets): secrets_persist is off']);
    facts.secrets_on_disk.persisted = true;
    begin();
    await clock.advance(10_000);
    assert.deepEqual(reports[1]!.restart_would_lack, []);
    facts.config.disk_problem = 'not written: ENOSPC';
    begin({ outage: 'cp-outage' });
    await clock.advance(10_000);
    assert.deepEqual(reports[2]!.restart_would_lack, ['its configuration: not written: ENOSPC']);
  });

  for (const order of [{ outage: 'dns-outage' }, { seconds: 0.5 }, { seconds: 86_401 }, { seconds: Number.NaN }]) {
    it(`can not be ${JSON.stringify(order)}`, () => {
      const { outages, begin } = stage();
      assert.throws(() => begin(order as Partial<RehearsalOrder>), { code: 'bad_request' });
      assert.equal(outages.current, null);
    });
  }
});
