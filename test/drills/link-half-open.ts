import type { Drill } from './stage/drill.ts';

export const linkHalfOpen: Drill = {
  name: 'link-half-open',
  breaks: "The control plane's end of the link is gone, and the data plane is told nothing: its connection stays open.",
  holds:
    'No lookup fails. The data plane notices the silence within 15 s and makes a new link, with what it has missed.',
  seconds: 35,
  scene: { linkThroughProxy: true },
  async run(stage) {
    const { plan } = stage.controlPlane;
    const links = stage.proxy.accepted;
    stage.proxy.leaveHalfOpen();
    stage.breaks("the control plane's end is closed, the data plane's stays open");
    await plan.putVault('made-meanwhile', { name: 'aws', 'config.region': 'us-east-1' });
    stage.held('the data plane believes that it is linked', await stage.isLinked());
    stage.mends('a new link would be a good one');
    await stage.converges('the change reaches the data plane', () => stage.isCaughtUp());
    stage.held('by a new link', stage.proxy.accepted > links);
    await stage.expectValue('{vault://made-meanwhile/database/password}', 'a password');
  },
};
