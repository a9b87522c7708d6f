import type { Drill } from './stage/drill.ts';
import { IN_OPENBAO } from './stage/stage.ts';

export const hcvTokenRevoked: Drill = {
  name: 'hcv-token-revoked',
  breaks: "The data plane's token for OpenBao is revoked; then, too, the secret_id that it logs in by.",
  holds:
    'Where it can log in anew, applications notice nothing. Where it can not, what is held is served, and all is fresh again once it has another secret_id, without a restart.',
  needs: ['openbao'],
  seconds: 25,
  scene: { openBao: true },
  async run(stage) {
    const { openBao } = stage;
    await openBao.server.revokeLogins('approle');
    stage.breaks('every token of the data plane is revoked');
    const before = stage.secrets.current('in-openbao', 'foo');
    await stage.until('the secret is rotated again', () => stage.secrets.current('in-openbao', 'foo') !== before);
    await stage.rotationArrives(IN_OPENBAO, 'in-openbao');
    stage.held('nothing was resurrected', (await stage.status())!.references.resurrected === 0);

    await openBao.revokeSecretId();
    stage.breaks('they are revoked again, and so is its secret_id');
    await stage.until('the secret is resurrected', async () => (await stage.outcomeOf(IN_OPENBAO)) === 'resurrected');
    await stage.pause(4000, 'applications go on');

    await openBao.replaceSecretId();
    stage.mends('the file has another secret_id');
    await stage.converges('the secret is fresh', async () => (await stage.outcomeOf(IN_OPENBAO)) === 'fresh');
    await stage.rotationArrives(IN_OPENBAO, 'in-openbao');
  },
};
