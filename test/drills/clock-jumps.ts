import type { Drill } from './stage/drill.ts';
import { KEPT, PLAIN, ROTATING } from './stage/stage.ts';

const HOUR = 3600;

export const clockJumps: Drill = {
  name: 'clock-jumps',
  breaks: "The clock of the data plane's machine is set two hours forward, four back, and right again.",
  holds:
    'No lookup fails. Values are refreshed as before, by signatures that AWS takes in spite of the clock; none is kept for longer because the clock went back.',
  needs: ['faketime'],
  seconds: 40,
  scene: { settableClock: true },
  async run(stage) {
    for (const [seconds, text] of [
      [2 * HOUR, 'two hours forward'],
      [-2 * HOUR, 'four hours back'],
      [0, 'right again'],
    ] as const) {
      stage.clock.set(seconds);
      if (seconds === 0) stage.mends('the clock is set right again');
      else stage.breaks(`the clock is set ${text}`);
      await stage.until("the data plane's clock shows it", async () => {
        const { last_contact } = (await stage.status())!.control_plane;
        return Math.abs(Date.parse(last_contact!) - Date.now() - seconds * 1000) < 60_000;
      });
      const calls = stage.emulator.calls({ service: 'secretsmanager' }).filter(({ status }) => status === 200).length;
      await stage.until('AWS answers the data plane', () => {
        const answered = stage.emulator.calls({ service: 'secretsmanager' }).filter(({ status }) => status === 200);
        return answered.length > calls + 2;
      });
      await stage.rotationArrives();
      await stage.until('nothing is resurrected', async () => (await stage.status())!.references.resurrected === 0);
      await stage.expectValue(PLAIN, 'a key');
      await stage.expectValue(KEPT, 'a password');
      await stage.controlPlane.plan.putVault(`made-${Math.abs(seconds)}x`, {
        name: 'aws',
        'config.region': 'us-east-1',
      });
      await stage.until('a change of the configuration arrives', () => stage.isCaughtUp());
    }
    await stage.converges('all is as before', async () => (await stage.outcomeOf(ROTATING)) !== 'resurrected');
  },
};
