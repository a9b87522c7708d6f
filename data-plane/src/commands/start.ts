import type { Command } from 'commander';
import type { SettingsOption } from './program-settings.ts';
import { commandWithSettings } from './settings-option.ts';

export function startCommand(): Command {
  return commandWithSettings('start')
    .description(
      'Run the data plane until it is told to stop (SIGTERM or SIGINT). SIGHUP reads log_level and certificates anew.',
    )
    .action(async (options: SettingsOption) => {
      const { runDataPlane } = await import('./run-data-plane.ts');
      await runDataPlane(options);
    });
}
