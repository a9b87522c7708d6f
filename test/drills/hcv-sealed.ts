import type { Drill } from './stage/drill.ts';
import { IN_OPENBAO, ROTATING } from './stage/stage.ts';

const LATE = '{vault://hcv-vault/late-in-openbao/foo}';

export const hcvSealed: Drill = {
  name: 'hcv-sealed',
  breaks: 'OpenBao is sealed: it answers every call with 503.',
  holds:
    'What is held is served, and resurrected after its ttl; what is not held is unavailable, with the reason. Vaults elsewhere are as before. When it is unsealed all is fresh again, by the token that there was.',
  needs: ['openbao'],
  seconds: 25,
  scene: { openBao: true },
  async run(stage) {
    const { server } = stage.openBao;
    await stage.openBao.put('late-in-openbao', { foo: 'late' });
    await server.seal();
    stage.breaks('OpenBao is sealed');
    await stage.until('its secret is resurrected', async () => (await stage.outcomeOf(IN_OPENBAO)) === 'resurrected');
    const { error } = await stage.applications.lookUp(LATE);
    const reason = `${error?.code}: ${error?.message}`;
    stage.held('what is not held is unavailable, since it is sealed', /^unavailable: .*sealed/.test(reason), reason);
    await stage.pause(4000, 'applications go on');
    stage.held('the secret of AWS is not resurrected', (await stage.outcomeOf(ROTATING)) !== 'resurrected');

    await server.unseal();
    stage.mends('OpenBao is unsealed');
    await stage.converges('its secret is fresh', async () => (await stage.outcomeOf(IN_OPENBAO)) === 'fresh');
    await stage.converges('what was not held can be had', async () => (await stage.outcomeOf(LATE)) === 'fresh');
    await stage.rotationArrives(IN_OPENBAO, 'in-openbao');
  },
};
