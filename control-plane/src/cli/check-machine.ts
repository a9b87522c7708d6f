import { createServer } from 'node:net';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { checkDataDir } from '@vaultplane/platform/files/data-dir.ts';
import { listenAt } from '@vaultplane/platform/net/doors.ts';
import { ownStatus } from '@vaultplane/platform/net/own-status.ts';
import { type Listen, shownListens } from '@vaultplane/platform/settings/listen-setting.ts';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { listening } from '../listener.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { Finding } from './finding.ts';

const STATUS_TIMEOUT_MS = 2000;
const LISTENS = ['status_listen', 'cluster_listen', 'admin_listen'] as const;

export async function checkDataDirectory({ data_dir: path }: ControlPlaneSettings): Promise<Finding[]> {
  const what = 'data_dir';
  try {
    const isThere = await checkDataDir(path);
    return [{ what, ok: true, says: isThere ? shownPath(path) : `${shownPath(path)} will be made at the start` }];
  } catch (error) {
    return [{ what, ok: false, says: errorMessage(error) }];
  }
}

/** Whether each address can be listened on, or is by the control plane that these settings are of. */
export async function checkListening(settings: ControlPlaneSettings): Promise<Finding[]> {
  const findings: Finding[] = [];
  let runs: boolean | undefined;
  for (const what of LISTENS) {
    const listens = settings[what];
    try {
      for (const listen of listens) await tryListening(what, listen);
      findings.push({ what, ok: true, says: shownListens(listens) });
    } catch (error) {
      runs ??= await isRunning(settings);
      const says = runs ? `${shownListens(listens)}, in use by the control plane that runs here` : errorMessage(error);
      findings.push({ what, ok: runs, says });
    }
  }
  return findings;
}

async function tryListening(setting: string, address: Listen): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  await listening(setting, address, () => listenAt(server, address));
  await new Promise((resolve) => server.close(resolve));
}

/**
 * Whether what answers at status_listen is a control plane. Its data_dir may be another: an operator's shell has the settings of
 * a service, and often not its folder.
 */
async function isRunning(settings: ControlPlaneSettings): Promise<boolean> {
  try {
    const { program } = (await ownStatus(settings, STATUS_TIMEOUT_MS)) as { program?: unknown };
    return program === 'vaultplane-cp';
  } catch {
    return false;
  }
}
