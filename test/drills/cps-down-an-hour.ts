import type { Drill } from './stage/drill.ts';
import { KEPT, ROTATING } from './stage/stage.ts';

/** Seconds that the data plane and AWS live through in one of the drill: its clocks and timers run so much faster. */
const RATE = 30;
const HOUR_MS = 3_600_000;
const TTL_SECONDS = 300;

export const cpsDownAnHour: Drill = {
  name: 'cps-down-an-hour',
  breaks: `Every control plane is killed, and stays away for an hour of the data plane's time (${RATE} times as fast as ours).`,
  holds:
    'No lookup fails in that hour. Rotations go on arriving within their ttl, since only AWS is asked for them. The link is back by itself.',
  needs: ['namespaces', 'postgres', 'faketime'],
  seconds: 160,
  scene: {
    controlPlanes: 2,
    timeRate: RATE,
    vault: { 'config.ttl': String(TTL_SECONDS) },
    // AWS is as far away as it was: the defaults, in fast seconds.
    dataPlaneEnv: {
      VAULTPLANE_UPSTREAM_CONNECT_TIMEOUT: String(RATE),
      VAULTPLANE_UPSTREAM_TIMEOUT: String(5 * RATE),
    },
  },
  async run(stage) {
    stage.breaks('both control planes are killed');
    const calls = stage.upstreamCalls;
    await Promise.all(stage.controlPlanes.map((controlPlane) => controlPlane.kill()));
    await stage.until('the data plane says that it has no control plane', async () => !(await stage.isLinked()));
    const before = (await stage.status())!;
    await stage.pause(HOUR_MS / RATE, 'an hour passes for the data plane and for AWS');

    const after = (await stage.status())!;
    const lived = (after.config.age_s ?? 0) - (before.config.age_s ?? 0);
    stage.held('an hour has passed for the data plane', lived >= 0.95 * (HOUR_MS / 1000), `only ${lived} s`);
    const stalest = (stage.applications.figures.longestStalenessMs * RATE) / 1000;
    stage.saw(`stalest value served: ${Math.round(stalest)} s of the data plane's time after it was replaced`);
    stage.saw(`AWS calls in that hour: ${stage.upstreamCalls - calls}`);
    stage.held('no rotation was later than its ttl, its jitter and one call', stalest < TTL_SECONDS * 1.1 + 120);
    stage.held('every refresh succeeded', after.references.resurrected === 0);
    await stage.expectValue(KEPT, 'a password');

    await Promise.all(stage.controlPlanes.map((controlPlane) => controlPlane.start()));
    stage.mends('both control planes are started again');
    await stage.controlPlane.plan.putVault('made-after', { name: 'aws', 'config.region': 'us-east-1' });
    await stage.converges('a vault that is made now reaches the data plane', () => stage.isCaughtUp());
    await stage.rotationArrives(ROTATING);
  },
};
