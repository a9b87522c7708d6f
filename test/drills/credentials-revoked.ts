import type { Drill } from './stage/drill.ts';
import { ROTATING } from './stage/stage.ts';

export const credentialsRevoked: Drill = {
  name: 'credentials-revoked',
  breaks: "The data plane's AWS credentials (of its container's role) are revoked; then, too, no new ones can be had.",
  holds:
    'Where new credentials can be had, applications notice nothing, not even a stale value. Where none can, what is held is served, and all is fresh again once there are some.',
  seconds: 35,
  scene: { credentials: 'container' },
  async run(stage) {
    const revoke = () => {
      const { accessKeyId } = stage.emulator.calls({ service: 'secretsmanager' }).at(-1)!;
      stage.held('AWS knows the credentials', stage.emulator.revokeCredentials(accessKeyId!));
      return accessKeyId;
    };
    const revoked = revoke();
    stage.breaks('the credentials in use are revoked; the container endpoint hands out new ones');
    await stage.until('AWS is asked with others', () => {
      const last = stage.emulator.calls({ service: 'secretsmanager' }).at(-1)!;
      return last.accessKeyId !== revoked && last.status === 200;
    });
    stage.held('nothing was resurrected', (await stage.status())!.references.resurrected === 0);

    const order = stage.emulator.order({
      match: { service: 'ecs' },
      behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' },
    });
    revoke();
    stage.breaks('they are revoked again, and the container endpoint fails');
    await stage.until(
      'the rotating secret is resurrected',
      async () => (await stage.outcomeOf(ROTATING)) === 'resurrected',
    );
    await stage.pause(5000, 'applications go on');

    order.release();
    stage.mends('the container endpoint hands out credentials again');
    await stage.converges('the rotating secret is fresh', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
    await stage.rotationArrives();
  },
};
