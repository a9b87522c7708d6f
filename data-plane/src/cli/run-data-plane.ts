import { rereadLogLevelOnHangup } from '@vaultplane/model/settings/log-level.ts';
import { aborted, STOP_WITHIN_MS, stopOnSignals } from '@vaultplane/platform/lifecycle.ts';
import { makeObjectsYoung } from '../young-objects.ts';
import { programLog, quietLog, readSettings } from './program-settings.ts';
import type { SettingsOption } from './settings-option.ts';

/** What `vaultplane-dp start` does. */
export async function runDataPlane(options: SettingsOption): Promise<void> {
  const stop = stopOnSignals({ program: 'vaultplane-dp', withinMs: STOP_WITHIN_MS });
  // Not for every command to load: the others are to start fast.
  const { startDataPlane } = await import('../data-plane.ts');
  const { SettingReferences } = await import('@vaultplane/backends/setting-values/kept-settings.ts');
  const settingReferences = new SettingReferences({ env: process.env, log: quietLog() });
  const settings = await readSettings(options, settingReferences);
  const log = programLog(settings);
  rereadLogLevelOnHangup(log, { confFile: options.conf, env: process.env });
  const dataPlane = await startDataPlane(settings, { log, settingReferences });
  makeObjectsYoung();
  process.on('SIGHUP', () => void dataPlane.rereadCertificates());
  await aborted(stop);
  log.info({ signal: String(stop.reason) }, 'stopping');
  await dataPlane.stop();
  log.info({}, 'stopped');
}
