// Many data planes' links in one process: `node simulated-fleet-main.ts`, its settings as a message over IPC.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Configuration } from '@vaultplane/data-plane/config-sync/configuration.ts';
import { type ControlPlaneLink, startControlPlaneLink } from '@vaultplane/data-plane/config-sync/control-plane-link.ts';
import type { LinkCredentials } from '@vaultplane/data-plane/config-sync/link-credentials.ts';
import type { SnapshotFile } from '@vaultplane/data-plane/config-sync/snapshot-file.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { parseAddress } from '@vaultplane/platform/net/network-address.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { FleetFacts, FleetSettings } from './simulated-fleet.ts';

const TELL_MS = 100;
/** So many begin at a time, the others when those are linked: the first links are no storm. */
const BEGINNING_AT_ONCE = 10;

process.once('disconnect', () => process.exit(0));
process.once('message', (settings: FleetSettings) => {
  const { size, endpoints, certFile, keyFile } = settings;
  const credentials: LinkCredentials = {
    certificate: readFileSync(certFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
    mtls: 'shared',
  };
  // What a data plane would write to its disk, these forget: a thousand disks are not what is rehearsed.
  const file = { error: null, save() {} } as unknown as SnapshotFile;
  const trusted = { look: async () => {}, check: () => undefined, stillTrusts: () => true };
  const members: Array<{ configuration: Configuration; link: ControlPlaneLink }> = [];
  const begin = (number: number) => {
    const configuration = new Configuration({ clock: systemClock, log: silentLog, file });
    const link = startControlPlaneLink({
      endpoints: endpoints.map((text) => parseAddress(text)!),
      credentials: async () => credentials,
      trusted,
      identity: { nodeId: randomUUID(), hostname: `simulated-${number}`, programVersion: '0.1.0', labels: {} },
      configuration,
      report: () => ({ references: { fresh: 0, stale: 0, resurrected: 0, negative: 0 }, rejected_vaults: [] }),
      inventory: () => [],
      carryOut: async ({ id }) => ({
        ...{ type: 'command_result', id, status: 'refused', reason: 'simulated' },
        ...{ asked: 0, refreshed: 0, changed: 0, failed: 0 },
      }),
      clock: systemClock,
      log: silentLog,
    });
    members.push({ configuration, link });
  };
  const tell = () => {
    const facts: FleetFacts = { connected: 0, byHash: {} };
    for (const { link, configuration } of members) {
      if (!link.state().connected) continue;
      facts.connected++;
      const hash = configuration.current?.snapshot.hash ?? '';
      facts.byHash[hash] = (facts.byHash[hash] ?? 0) + 1;
    }
    while (members.length < size && members.length - facts.connected < BEGINNING_AT_ONCE) begin(members.length);
    if (process.connected) process.send!(facts);
  };
  setInterval(tell, TELL_MS);
});
