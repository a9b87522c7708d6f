import type { Drill } from './stage/drill.ts';
import { IN_OPENBAO, ROTATING } from './stage/stage.ts';

const LATE = '{vault://hcv-vault/late-in-openbao/foo}';

export const hcvGone: Drill = {
  name: 'hcv-gone',
  breaks: 'OpenBao is killed; one that knows no token of before comes in its place.',
  holds:
    'What is held is served, and resurrected after its ttl; what is not held is unavailable. Vaults elsewhere are as before. When a server is there again the data plane logs in to it, and all is fresh.',
  needs: ['openbao'],
  seconds: 25,
  scene: { openBao: true },
  async run(stage) {
    const { openBao } = stage;
    await openBao.put('late-in-openbao', { foo: 'late' });
    await openBao.server.kill();
    stage.breaks('OpenBao is killed');
    await stage.until('its secret is resurrected', async () => (await stage.outcomeOf(IN_OPENBAO)) === 'resurrected');
    await stage.expectError(LATE, 'unavailable');
    await stage.pause(4000, 'applications go on');
    stage.held('the secret of AWS is not resurrected', (await stage.outcomeOf(ROTATING)) !== 'resurrected');

    await openBao.startAgain();
    stage.mends('an OpenBao with the same secrets is in its place');
    await stage.converges('its secret is fresh', async () => (await stage.outcomeOf(IN_OPENBAO)) === 'fresh');
    await stage.converges('what was not held can be had', async () => (await stage.outcomeOf(LATE)) === 'fresh');
    await stage.rotationArrives(IN_OPENBAO, 'in-openbao');
  },
};
