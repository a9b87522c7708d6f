import type { Drill } from './stage/drill.ts';
import { ROTATING } from './stage/stage.ts';

const DELAY_MS = 2500;

export const awsSlow: Drill = {
  name: 'aws-slow',
  breaks: `AWS takes ${DELAY_MS / 1000} s for every answer, longer than the ttl of what is refreshed.`,
  holds:
    'No lookup of what is held waits for it: it is served stale meanwhile. Rotations arrive later by that time. What is not held takes that time, once for all who ask.',
  seconds: 30,
  async run(stage) {
    const order = stage.emulator.order({ behaviour: { kind: 'delay', ms: DELAY_MS } });
    stage.breaks(`AWS takes ${DELAY_MS} ms to answer`);
    await stage.until('the rotating secret is served stale', async () => (await stage.outcomeOf(ROTATING)) === 'stale');
    stage.secrets.put('asked-for-late', { foo: 'late' });
    const from = performance.now();
    const calls = stage.emulator.calls({ secret: 'asked-for-late' }).length;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => stage.applications.lookUp('{vault://aws-sm-vault/asked-for-late/foo}')),
    );
    stage.saw(`20 lookups of what was not held took ${Math.round(performance.now() - from)} ms`);
    stage.held(
      'they all have it',
      answers.every(({ value }) => value === 'late'),
    );
    const made = stage.emulator.calls({ secret: 'asked-for-late' }).length - calls;
    stage.held('they made one call', made === 1, `they made ${made}`);
    await stage.pause(6000, 'go on for a while');
    const { longestGapMs } = stage.applications.figures;
    stage.held('no lookup of what is held took so long', longestGapMs < DELAY_MS, `longest gap ${longestGapMs} ms`);

    order.release();
    stage.mends('AWS is as fast as before');
    await stage.converges('the rotating secret is fresh', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
    await stage.rotationArrives();
  },
};
