import type { Drill } from './stage/drill.ts';

/** Long enough for everything to be set up on a busy machine. */
const LIFE_SECONDS = 60;

export const certificateExpired: Drill = {
  name: 'certificate-expired',
  breaks: "The cluster's certificate expires, and the link breaks: no new one can be made. Then it is renewed.",
  holds:
    'No lookup fails. /status says that the certificate has expired. With the renewed one in the same files both sides link again by themselves, and neither is restarted.',
  needs: ['openssl', 'faketime'],
  seconds: 85,
  scene: { linkThroughProxy: true, certificateLifeSeconds: LIFE_SECONDS },
  async run(stage) {
    const { expiresAt } = stage.certificate;
    stage.held('the link was made while the certificate was good', (await stage.isLinked()) && Date.now() < expiresAt);
    await stage.until('the certificate expires', () => Date.now() > expiresAt + 1000, LIFE_SECONDS * 1000);
    stage.proxy.cut();
    stage.breaks('the certificate has expired, and the link breaks');
    await stage.until('/status says why there is no link', async () => {
      const { last_error } = (await stage.status())!.control_plane;
      return /expired/.test(last_error ?? '');
    });
    await stage.pause(4000, 'applications go on');

    stage.certificate.renew();
    stage.mends('the same files hold a renewed certificate, and nothing is restarted');
    await stage.converges('the data plane has its link again', () => stage.isCaughtUp());
    await stage.controlPlane.plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.converges('a vault that is made now reaches it', () => stage.isCaughtUp());
  },
};
