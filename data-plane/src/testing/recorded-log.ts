import { createLog, type Log } from '@vaultplane/platform/logging/log.ts';

/** A log at its most talkative whose lines can be read back. */
export function recordedLog(): { log: Log; text: () => string; lines: () => Array<Record<string, unknown>> } {
  let text = '';
  const log = createLog('test', 'debug', {
    write(line) {
      text += line;
    },
  });
  return {
    log,
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
  };
}
