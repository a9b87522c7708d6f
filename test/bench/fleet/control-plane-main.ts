// A control plane with a fleet's configuration, in a process that tells what it uses.

import { HELLO_WITHIN_MS } from '@vaultplane/control-plane/fleet/session.ts';
import { openEmbeddedDatabase } from '@vaultplane/control-plane/store/embedded-database.ts';
import { startTestControlPlane } from '@vaultplane/control-plane/testing/control-plane.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import { serveParent } from './program.ts';

export interface StartedControlPlane {
  clusterUrl: string;
  adminUrl: string;
  certificateFile: string;
  keyFile: string;
}

/** All links are made before any says hello: on a busy machine that takes longer than a data plane may. */
const patientClock: Clock = {
  ...systemClock,
  after: (delayMs, task) => systemClock.after(delayMs === HELLO_WITHIN_MS ? 30 * delayMs : delayMs, task),
};

serveParent({
  start: async ({ vaults }: { vaults: number }): Promise<StartedControlPlane> => {
    const controlPlane = await startTestControlPlane({
      database: await openEmbeddedDatabase(undefined),
      env: { VAULTPLANE_LOG_LEVEL: 'error' },
      clock: patientClock,
    });
    const document = {
      _format_version: '3.0',
      vaults: Array.from({ length: vaults }, (_, index) => ({
        ...{ prefix: `vault-${index}-x`, name: 'aws', description: `the vault of team ${index}` },
        ...{ config: { region: 'us-east-1', ttl: 300 + (index % 7) }, tags: [`team-${index % 50}`] },
      })),
    };
    const { status, text } = await controlPlane.call('POST', '/config', document);
    if (status >= 300) throw new Error(`POST /config: ${status} ${text}`);
    const { clusterUrl, adminUrl, certificateFile, keyFile } = controlPlane;
    return { clusterUrl, adminUrl, certificateFile, keyFile };
  },
});
