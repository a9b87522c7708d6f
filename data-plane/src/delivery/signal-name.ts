import { constants } from 'node:os';
import { UsageError } from '@vaultplane/platform/errors.ts';

/** A signal by any of its names: HUP, SIGHUP, sighup. @throws UsageError */
export function parseSignal(text: string): NodeJS.Signals {
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  if (!(name in constants.signals)) throw new UsageError(`--signal ${text} is no signal; it must be one such as HUP`);
  return name as NodeJS.Signals;
}
