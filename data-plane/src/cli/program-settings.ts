import type { SettingReferences } from '@vaultplane/backends/setting-values/kept-settings.ts';
import { sayLine } from '@vaultplane/platform/lifecycle.ts';
import type { LogLevel } from '@vaultplane/platform/logging/log.ts';
import { createLog, type Log } from '@vaultplane/platform/logging/log.ts';
import { type DataPlaneSettings, loadDataPlaneSettings } from '../settings.ts';
import type { SettingsOption } from './settings-option.ts';

/** @param references what resolves settings that are references; one that changes no file unless told otherwise */
export function readSettings({ conf }: SettingsOption, references?: SettingReferences): Promise<DataPlaneSettings> {
  return loadDataPlaneSettings({
    confFile: conf,
    env: process.env,
    resolveReference: references?.resolve ?? readOnlyReferences,
  });
}

/** Loaded where a setting is a reference only: it comes with the AWS SDK, and commands are to start fast. */
const readOnlyReferences: SettingReferences['resolve'] = (known) => {
  let resolve: Promise<(reference: string, key: string) => Promise<string>> | undefined;
  const load = async () => {
    const { SettingReferences } = await import('@vaultplane/backends/setting-values/kept-settings.ts');
    return new SettingReferences({ env: process.env, log: quietLog(), readOnly: true }).resolve(known);
  };
  return async (reference, key) => {
    resolve ??= load();
    return (await resolve)(reference, key);
  };
};

/** The log of a command that prints its result: only what is wrong. */
export function quietLog(): Log {
  return createLog('vaultplane-dp', 'warn');
}

export function programLog(settings: DataPlaneSettings): Log {
  return createLog('vaultplane-dp', settings.log_level as LogLevel);
}

/** What a command that goes on has to say: a line on stderr, as an error. */
export function warn(line: string): void {
  sayLine('vaultplane-dp', line);
}
