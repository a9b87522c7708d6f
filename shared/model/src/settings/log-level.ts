import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log, LogLevel } from '@vaultplane/platform/logging/log.ts';
import type { LoadOptions } from '@vaultplane/platform/settings/settings.ts';
import { COMMON_SETTINGS } from './common-settings.ts';
import { loadSettings } from './load-settings.ts';

/**
 * Reloads log_level at every SIGHUP; every other setting stays as it was at the start. A level that can't be read changes
 * nothing and is a line in the log. Returns what ends that.
 *
 * @param onChange told when the level is another than before
 */
export function rereadLogLevelOnHangup(
  log: Log,
  from: Pick<LoadOptions, 'confFile' | 'env'>,
  onChange: (from: LogLevel) => void = () => {},
): () => void {
  const reread = async () => {
    try {
      const { log_level } = await loadSettings({ log_level: COMMON_SETTINGS.log_level }, from);
      const before = log.level;
      log.setLevel(log_level as LogLevel);
      if (log.level !== before) onChange(before);
      log.info({ log_level }, 'log level read anew; other settings are those of the start');
    } catch (error) {
      log.error({ error: errorMessage(error) }, 'the log level stays: the settings can not be read');
    }
  };
  const onHangup = () => void reread();
  process.on('SIGHUP', onHangup);
  return () => process.off('SIGHUP', onHangup);
}
