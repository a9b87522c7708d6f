import { Command } from 'commander';

export interface SettingsOption {
  conf?: string;
}

/** A command of this program, which reads its settings from --conf and the environment. */
export function commandWithSettings(name: string): Command {
  return new Command(name).option(
    '--conf <file>',
    'the settings file (default: /etc/vaultplane/vaultplane.conf, if there)',
  );
}

/** For an option that can be given several times. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
