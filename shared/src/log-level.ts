import { errorMessage } from './errors.ts';
import type { Log, LogLevel } from './log.ts';
import { COMMON_SETTINGS, type LoadOptions, loadSettings } from './settings.ts';

/**
 * At every SIGHUP, reads log_level anew and changes the log to it; every other setting stays as it was at the start. A
 * level that can't be read changes nothing and is a line in the log. Returns what ends that.
 */
export function rereadLogLevelOnHangup(log: Log, from: Pick<LoadOptions, 'confFile' | 'env'>): () => void {
  const reread = async () => {
    try {
      const { log_level } = await loadSettings({ log_level: COMMON_SETTINGS.log_level }, from);
      log.setLevel(log_level as LogLevel);
      log.info({ log_level }, 'log level read anew; other settings are those of the start');
    } catch (error) {
      log.error({ error: errorMessage(error) }, 'the log level stays: the settings can not be read');
    }
  };
  const onHangup = () => void reread();
  process.on('SIGHUP', onHangup);
  return () => process.off('SIGHUP', onHangup);
}
