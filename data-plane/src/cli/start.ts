import type { Command } from 'commander';
import { runDataPlane } from './run-data-plane.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

export function startCommand(): Command {
  return commandWithSettings('start')
    .description(
      'Run the data plane until it is told to stop (SIGTERM or SIGINT). SIGHUP reads log_level and certificates anew.',
    )
    .action((options: SettingsOption) => runDataPlane(options));
}
