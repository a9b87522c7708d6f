import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DRILLS } from './drills.ts';
import { play } from './stage/drill-process.ts';

/** Those of every outage's kind that are soon over. All of them: `npm run drill -- --all`. */
const SHORT = ['cp-killed', 'dp-restarted-alone', 'postgres-restored', 'aws-garbage', 'bad-config-rolled-back'];

describe('a short set of the drills', { concurrency: 3 }, () => {
  for (const drill of DRILLS.filter(({ name }) => SHORT.includes(name))) {
    test(`${drill.name}: ${drill.holds}`, async (t) => {
      const lines: string[] = [];
      const report = await play(drill, { note: (line) => lines.push(line), signal: t.signal });
      if (report.outcome === 'left out') return t.skip(report.reason);
      assert.equal(report.outcome, 'passed', `${report.reason}\n${lines.join('\n')}`);
      assert.equal(report.wrong, 0);
      assert.equal(report.failed, report.excused);
      assert.ok(report.served > 0 && report.upstreamCalls > 0);
    });
  }
});

test('every drill has a name of its own and says what is broken and what must hold', () => {
  assert.equal(new Set(DRILLS.map(({ name }) => name)).size, DRILLS.length);
  for (const { name, breaks, holds } of DRILLS) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    assert.ok(breaks.length > 20 && holds.length > 20);
  }
});
