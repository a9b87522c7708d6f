import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataPlane, startDataPlane } from '@vaultplane/data-plane/data-plane.ts';
import { loadDataPlaneSettings } from '@vaultplane/data-plane/settings.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';

/** This release's data plane, in this process, with a folder of its own. */
export interface LinkedDataPlane extends DataPlane {
  resolve(reference: string): Promise<unknown>;
}

/** @param port of a control plane, or what stands in for one, on this machine */
export async function startLinkedDataPlane(
  port: number,
  options: { certificateFile: string; keyFile: string; env?: NodeJS.ProcessEnv },
): Promise<LinkedDataPlane> {
  const dataDir = mkdtempSync(join(tmpdir(), 'vaultplane-protocol-'));
  const settings = await loadDataPlaneSettings({
    env: {
      VAULTPLANE_DATA_DIR: dataDir,
      VAULTPLANE_API_LISTEN: '127.0.0.1:0',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
      VAULTPLANE_CLUSTER_CONTROL_PLANE: `127.0.0.1:${port}`,
      VAULTPLANE_CLUSTER_CERT: options.certificateFile,
      VAULTPLANE_CLUSTER_CERT_KEY: options.keyFile,
    },
  });
  const dataPlane = await startDataPlane(settings, {
    log: silentLog,
    env: { AWS_EC2_METADATA_DISABLED: 'true', HOME: dataDir, ...options.env },
  });
  return {
    ...dataPlane,
    async resolve(reference) {
      const headers = { 'x-vault-token': readFileSync(dataPlane.apiTokenFile, 'utf8').trim() };
      return (await fetch(`${dataPlane.apiUrl}/v1/resolve?ref=${encodeURIComponent(reference)}`, { headers })).json();
    },
    async stop() {
      await dataPlane.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
