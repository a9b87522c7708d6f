import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { createLog } from '../logging/log.ts';
import { FollowedFiles } from './followed-files.ts';

it('files are followed: a change is in use soon or at once, and what can not be used changes nothing and is said once', async () => {
  const lines: string[] = [];
  const clock = new FakeClock();
  let content: string | Error = 'one';
  const files = FollowedFiles.start({
    what: 'the test',
    initial: 'one',
    read: async () => {
      if (content instanceof Error) throw content;
      return content;
    },
    fingerprint: (text) => text,
    clock,
    log: createLog('test', 'info', { write: (line) => void lines.push(line) }),
  });
  const seen: string[] = [];
  files.onChange((text) => seen.push(text));
  await clock.advance(60_000);
  assert.deepEqual(seen, []);
  content = 'two';
  await clock.advance(10_000);
  assert.deepEqual([files.current, seen], ['two', ['two']]);
  content = new Error('half written');
  await clock.advance(60_000);
  assert.deepEqual([files.current, files.error], ['two', 'half written']);
  assert.equal(lines.filter((line) => line.includes('half written')).length, 1);
  content = 'three';
  await Promise.all([files.look(), files.look()]);
  assert.deepEqual([files.current, files.error, seen], ['three', null, ['two', 'three']]);
  await files.stop();
  content = 'four';
  await clock.advance(60_000);
  assert.equal(files.current, 'three');
  assert.equal(clock.pending, 0);
});
