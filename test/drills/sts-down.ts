import type { Drill } from './stage/drill.ts';
import { KEPT, ROTATING } from './stage/stage.ts';

const READER = 'arn:aws:iam::123456789012:role/reader';

export const stsDown: Drill = {
  name: 'sts-down',
  breaks: 'STS fails while a vault works under an assumed role; then the credentials of that role expire.',
  holds:
    'As long as the credentials live, nothing happens. After that what is held is served; vaults without a role are as before. Then all is fresh again.',
  seconds: 35,
  scene: {
    vault: { 'config.assume_role_arn': READER },
    emulator: {
      roles: [
        {
          arn: READER,
          trust: { principals: ['123456789012'] },
          policy: [{ effect: 'allow', actions: ['secretsmanager:*'] }],
        },
      ],
    },
  },
  async run(stage) {
    const order = stage.emulator.order({
      match: { service: 'sts' },
      behaviour: { kind: 'error', status: 503, code: 'ServiceUnavailable' },
    });
    stage.breaks('STS answers 503');
    const calls = stage.upstreamCalls;
    await stage.until('secrets are refreshed as before', () => stage.upstreamCalls >= calls + 3);
    stage.held('the rotating secret is not resurrected', (await stage.outcomeOf(ROTATING)) !== 'resurrected');

    const session = stage.emulator.calls({ service: 'secretsmanager', principal: READER }).at(-1)!;
    stage.held('AWS knows the session', stage.emulator.expireCredentials(session.accessKeyId!));
    stage.breaks("the role's credentials have expired");
    await stage.until(
      'the rotating secret is resurrected',
      async () => (await stage.outcomeOf(ROTATING)) === 'resurrected',
    );
    stage.secrets.put('asked-for-late', { foo: 'late' });
    await stage.expectError('{vault://aws-sm-vault/asked-for-late/foo}', 'unavailable');
    await stage.expectValue('{vault://kept/asked-for-late/foo}', 'late');
    await stage.expectValue(KEPT, 'a password');
    await stage.pause(4000, 'applications go on');

    order.release();
    stage.mends('STS answers again');
    await stage.converges('the rotating secret is fresh', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
    await stage.rotationArrives();
  },
};
