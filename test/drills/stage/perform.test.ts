import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Drill } from './drill.ts';
import { leftOut, perform } from './perform.ts';
import { PLAIN } from './stage.ts';

const drill = (name: string, run: Drill['run']): Drill => ({
  name,
  breaks: 'something',
  holds: 'nothing does',
  seconds: 10,
  run,
});

test('a drill does not pass when a lookup fails that it does not say must fail', async () => {
  const report = await perform(
    drill('unexcused', async (stage) => {
      await stage.dataPlane.kill();
      await stage.until('somebody has noticed', () => stage.applications.figures.failed > 0);
      await stage.dataPlane.start();
    }),
    () => {},
  );
  assert.equal(report.outcome, 'failed');
  assert.match(report.reason!, /failed with ECONN/);
  assert.ok(report.failed > 0 && report.excused === 0);
  assert.ok(report.timeline!.references.some(({ states }) => states.includes('x')));
});

test('a drill does not pass when a lookup gives a value that was never the secret’s', async () => {
  const report = await perform(
    drill('wrong', async (stage) => {
      stage.emulator.putSecret('us-east-1', 'api-key', 'from somebody else');
      await stage.until('it is given', () => stage.applications.figures.wrong > 0);
    }),
    () => {},
  );
  assert.equal(report.outcome, 'failed');
  assert.match(report.reason!, /a value that was not its own/);
  assert.ok(report.wrong > 0);
});

test('a drill that fails says at which claim, and counts what was seen until then', async () => {
  const report = await perform(
    drill('false claim', async (stage) => {
      await stage.expectValue(PLAIN, 'a key');
      stage.held('two and two are five', 2 + 2 !== 4, 'they are four');
    }),
    () => {},
  );
  assert.equal(report.outcome, 'failed');
  assert.equal(report.reason, 'it does not hold that two and two are five: they are four');
  assert.deepEqual(
    report.events.map(({ kind }) => kind),
    ['held', 'failed'],
  );
  assert.ok(report.served > 0);
});

test('a drill is left out, with the reason, where the machine has not what it needs', () => {
  const path = process.env.PATH;
  process.env.PATH = '/nowhere';
  try {
    const reason = leftOut({ ...drill('needy', async () => {}), needs: ['namespaces'] });
    assert.match(reason!, /network namespaces/);
  } finally {
    process.env.PATH = path;
  }
});
