import { Command } from 'commander';
import { PROGRAM_VERSION } from './program-version.ts';

/** Each with what only it needs: it is loaded when it is named. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./cli/start.ts')).startCommand(),
  join: async () => (await import('./cli/join.ts')).joinCommand(),
  check: async () => (await import('./cli/check.ts')).checkCommand(),
  status: async () => (await import('./cli/status.ts')).statusCommand(),
  get: async () => (await import('./cli/get.ts')).getCommand(),
  exec: async () => (await import('./cli/exec.ts')).execCommand(),
  refresh: async () => (await import('./cli/refresh.ts')).refreshCommand(),
  render: async () => (await import('./cli/render.ts')).renderCommand(),
  trust: async () => (await import('./cli/trust.ts')).trustCommand(),
  drill: async () => (await import('./cli/drill.ts')).drillCommand(),
};

/** The command line of vaultplane-dp: the command that is named first, or all of them. */
export async function commandLine(argv: readonly string[]): Promise<Command> {
  const program = new Command('vaultplane-dp')
    .description("vaultplane's data plane: resolves {vault://…} references for the applications beside it.")
    .version(PROGRAM_VERSION)
    .enablePositionalOptions();

  const [, , named = ''] = argv;
  // Where none is named first, all are there to be told of, or to be the nearest to what was meant.
  const wanted = Object.hasOwn(COMMANDS, named) ? [COMMANDS[named]!] : Object.values(COMMANDS);
  for (const load of wanted) program.addCommand(await load());
  return program;
}
