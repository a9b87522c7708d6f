import type { Command } from 'commander';
import { UsageError } from '../errors.ts';

/** An option, or `[name]` for the command's arguments. */
type Given = string;

/**
 * Refuses an option without which another means nothing, so that none is taken and does nothing.
 *
 * @param option such as --grace
 * @param needed what it goes with
 * @throws UsageError from the command, when it runs
 */
export function needs(command: Command, option: Given, needed: Given): Command {
  return command.hook('preAction', () => {
    if (isGiven(command, option) && !isGiven(command, needed))
      throw new UsageError(`${option} goes with ${needed} only`);
  });
}

/** Refuses an option together with others that it makes mean nothing. @throws UsageError from the command, when it runs */
export function excludes(command: Command, option: Given, others: readonly Given[]): Command {
  return command.hook('preAction', () => {
    const other = isGiven(command, option) ? others.find((each) => isGiven(command, each)) : undefined;
    if (other === undefined) return;
    throw new UsageError(
      other.startsWith('-') ? `${option} and ${other} exclude each other` : `${option} takes no ${other}`,
    );
  });
}

function isGiven(command: Command, given: Given): boolean {
  if (!given.startsWith('--')) return command.args.length > 0;
  const option = command.options.find(({ long }) => long === given);
  if (!option) throw new Error(`${command.name()} has no option ${given}`);
  return command.getOptionValueSource(option.attributeName()) === 'cli';
}
