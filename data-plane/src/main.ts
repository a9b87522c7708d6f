#!/usr/bin/env -S node --
import { runCli } from '@vaultplane/shared/lifecycle.ts';
import { Command } from 'commander';
import { checkCommand } from './commands/check.ts';
import { drillCommand } from './commands/drill.ts';
import { execCommand } from './commands/exec.ts';
import { getCommand } from './commands/get.ts';
import { refreshCommand } from './commands/refresh.ts';
import { renderCommand } from './commands/render.ts';
import { startCommand } from './commands/start.ts';
import { statusCommand } from './commands/status.ts';
import { PROGRAM_VERSION } from './program-version.ts';

const program = new Command('vaultplane-dp')
  .description("vaultplane's data plane: resolves {vault://…} references for the applications beside it.")
  .version(PROGRAM_VERSION)
  .enablePositionalOptions()
  .addCommand(startCommand())
  .addCommand(checkCommand())
  .addCommand(statusCommand())
  .addCommand(getCommand())
  .addCommand(execCommand())
  .addCommand(refreshCommand())
  .addCommand(renderCommand())
  .addCommand(drillCommand());

await runCli(program);
