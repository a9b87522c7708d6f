import type { Drill } from './stage/drill.ts';
import { KEPT, ROTATING } from './stage/stage.ts';

export const awsUnreachable: Drill = {
  name: 'aws-unreachable',
  breaks: 'The network between the data plane and AWS drops every packet; the link to the control plane is good.',
  holds:
    'No lookup of what is held waits or fails. A change of the configuration arrives meanwhile. Then all is fresh again.',
  needs: ['namespaces'],
  seconds: 45,
  scene: { farDataPlane: true },
  async run(stage) {
    await stage.farHost.lose(stage.emulator.address.port, 1);
    stage.breaks('all packets to and from AWS are dropped');
    await stage.until(
      'the rotating secret is resurrected',
      async () => (await stage.outcomeOf(ROTATING)) === 'resurrected',
    );
    await stage.controlPlane.plan.putVault('made-meanwhile', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.until('a change of the configuration arrives', () => stage.isCaughtUp());
    await stage.expectError('{vault://made-meanwhile/database/password}', 'unavailable');
    await stage.expectValue(KEPT, 'a password');

    await stage.farHost.loseNothing();
    stage.mends('packets arrive again');
    await stage.converges('the rotating secret is fresh', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
    await stage.rotationArrives();
    await stage.expectValue('{vault://made-meanwhile/database/password}', 'a password');
  },
};
