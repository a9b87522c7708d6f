import type { Command } from 'commander';
import { nearest, nearestName } from '../settings/nearest.ts';
import { shownName } from '../text/shown-text.ts';

/**
 * What is said of a wrong command line: Commander's own line, without what may be a secret in it, and with the nearest
 * right name. Commander quotes `--token=VALUE` and every argument too many.
 *
 * @param text Commander's, with its newline
 * @param argv the whole command line
 */
export function commandLineError(command: Command, text: string, argv: readonly string[]): string {
  return `${reworded(command, text.trimEnd(), argv)}\n`;
}

function reworded(command: Command, text: string, argv: readonly string[]): string {
  const [, option] = /^error: unknown option '(.*?)'(?:\n\(Did you mean .*)?$/s.exec(text) ?? [];
  if (option !== undefined) return unknownOption(command, option);

  const [, name] = /^error: unknown command '(.*?)'(?:\n\(Did you mean .*)?$/s.exec(text) ?? [];
  if (name !== undefined) {
    const known = command.commands.map((child) => child.name());
    return `error: unknown command '${shownName(name)}'${nearest(name, known) || `; there are ${known.join(', ')}`}`;
  }

  const [, tooMany] = /^(error: too many arguments.*? but got \d+): /s.exec(text) ?? [];
  if (tooMany !== undefined) {
    const flag = command.args.map((word) => nearestName(`--${word}`, flagsOf(command))).find((found) => found);
    return flag === undefined ? tooMany : `${tooMany}; did you mean ${flag}?`;
  }

  if (/^error: required option '.*' not specified$/.test(text)) {
    // Commander looks for what is missing first; whoever has misspelt an option needs to be told that.
    const end = argv.indexOf('--');
    const given = argv.slice(0, end < 0 ? undefined : end).map((word) => word.split('=')[0]!);
    const flags = flagsOf(command);
    const misspelt = given.find((word) => word.startsWith('--') && !flags.includes(word) && nearestName(word, flags));
    return misspelt === undefined ? text : unknownOption(command, misspelt);
  }

  const [, where, value, rest = ''] =
    /^(error: (?:command-argument value|option '.*?' argument)) '(.*)' is invalid(.*?)$/s.exec(text) ?? [];
  if (value !== undefined) {
    const [, choices = ''] = /Allowed choices are (.*)\.$/.exec(rest) ?? [];
    return `${where} '${shownName(value)}' is invalid${rest.replace(/\.$/, '')}${nearest(value, choices === '' ? [] : choices.split(', '))}`;
  }
  return text;
}

function unknownOption(command: Command, given: string): string {
  const option = given.split('=')[0]!;
  const flags = flagsOf(command);
  // The most usual slip of all: one dash.
  const near = nearestName(option, flags);
  // Behind one dash and a letter there may be a value.
  const shown = near === undefined && /^-[^-]/.test(option) ? option.slice(0, 2) : shownName(option);
  const isBelow = command.commands.some((child) => flagsOf(child).includes(option));
  const hint = isBelow ? '; it is an option of a command, and goes behind its name' : '';
  return `error: unknown option '${shown}'${hint || (near === undefined ? '' : `; did you mean ${near}?`)}`;
}

/** The options that a command takes: the long name of each. */
function flagsOf({ options }: Command): string[] {
  return [...options.filter(({ hidden }) => !hidden).map(({ long, short }) => long ?? short!), '--help'];
}
