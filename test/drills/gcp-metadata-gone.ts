import type { Drill } from './stage/drill.ts';
import { IN_GOOGLE, ROTATING } from './stage/stage.ts';

const SECRETS = { service: 'secretmanager' } as const;
const TOKEN_SECONDS = 15;

export const gcpMetadataGone: Drill = {
  name: 'gcp-metadata-gone',
  breaks: "Google's metadata server, which gives the data plane its access tokens, is gone; then the last token ends.",
  holds:
    'As long as the token lives, nothing happens. After that what is held is served, lookups of what is not held are answered unavailable with the reason, and vaults elsewhere are as before. Then all is fresh again.',
  seconds: 45,
  scene: { gcp: { tokenSeconds: TOKEN_SECONDS } },
  async run(stage) {
    const asked = () => stage.gcp.calls(SECRETS).filter(({ status }) => status === 200).length;
    await stage.until(
      'a token is renewed before it ends',
      () => stage.gcp.calls({ operation: 'GetToken' }).length >= 2,
    );
    stage.held(
      'no call had a token that had ended',
      stage.gcp.calls(SECRETS).every(({ status }) => status === 200),
    );
    const order = stage.gcp.order({ match: { service: 'metadata' }, behaviour: { kind: 'cut' } });
    stage.breaks('the metadata server answers no more');
    const before = asked();
    await stage.until('the secret is refreshed as before', () => asked() >= before + 2);
    await stage.until(
      "when the last token has ended, Google's secret is resurrected",
      async () => (await stage.outcomeOf(IN_GOOGLE)) === 'resurrected',
    );
    stage.secrets.put('late-in-google', { foo: 'late' });
    const late = '{vault://gcp-sm-vault/late-in-google/foo}';
    const { error } = await stage.applications.lookUp(late);
    const reason = `${error?.code}: ${error?.message}`;
    stage.held(
      'what is not held is unavailable, for want of credentials',
      /^unavailable: .*Google credentials/.test(reason),
    );
    await stage.pause(4000, 'applications go on');
    stage.held('the secret of AWS is not resurrected', (await stage.outcomeOf(ROTATING)) !== 'resurrected');

    order.release();
    stage.mends('the metadata server is back');
    await stage.converges("Google's secret is fresh", async () => (await stage.outcomeOf(IN_GOOGLE)) === 'fresh');
    await stage.converges('what was not held can be had', async () => (await stage.outcomeOf(late)) === 'fresh');
    await stage.rotationArrives(IN_GOOGLE, 'in-google');
  },
};
