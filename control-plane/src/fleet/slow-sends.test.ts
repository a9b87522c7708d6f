import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { SLOWEST_BYTES_A_SECOND, SLOWEST_SEND_MS, SlowSends } from './slow-sends.ts';

it('tells once of each that is not gone when it is due, by its own bytes, and of none that is', async () => {
  const clock = new FakeClock();
  const sends = new SlowSends(clock);
  const slow: string[] = [];
  const large = 10 * SLOWEST_BYTES_A_SECOND;
  sends.begin(large, (bytes) => slow.push(`large ${bytes}`));
  sends.begin(0, () => slow.push('first'));
  const gone = sends.begin(0, () => slow.push('gone'));
  await clock.advance(1000);
  sends.begin(0, () => slow.push('second'));
  sends.end(gone);

  await clock.advance(SLOWEST_SEND_MS - 1001);
  assert.deepEqual(slow, []);
  await clock.advance(1);
  assert.deepEqual(slow, ['first']);
  await clock.advance(1000);
  assert.deepEqual(slow, ['first', 'second']);
  await clock.advance(9000);
  assert.deepEqual(slow, ['first', 'second', `large ${large}`]);
  await clock.advance(10 * SLOWEST_SEND_MS);
  assert.equal(slow.length, 3);
});

it('has one timer however much is being sent, and none when all is gone or it was stopped', async () => {
  const clock = new FakeClock();
  const sends = new SlowSends(clock);
  const fail = () => assert.fail('nothing was slow');
  const all = Array.from({ length: 100 }, () => sends.begin(100, fail));
  assert.equal(clock.pending, 1);
  for (const sending of all) sends.end(sending);
  await clock.advance(2 * SLOWEST_SEND_MS);
  assert.equal(clock.pending, 0);

  sends.begin(100, fail);
  assert.equal(clock.pending, 1);
  sends.stop();
  assert.equal(clock.pending, 0);
});
