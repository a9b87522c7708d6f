import { Command } from 'commander';
import { PROGRAM_VERSION } from './program-version.ts';

/** Each with what only it needs: it is loaded when it is named. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./commands/start.ts')).startCommand(),
  join: async () => (await import('./commands/join.ts')).joinCommand(),
  check: async () => (await import('./commands/check.ts')).checkCommand(),
  status: async () => (await import('./commands/status.ts')).statusCommand(),
  get: async () => (await import('./commands/get.ts')).getCommand(),
  exec: async () => (await import('./commands/exec.ts')).execCommand(),
  refresh: async () => (await import('./commands/refresh.ts')).refreshCommand(),
  render: async () => (await import('./commands/render.ts')).renderCommand(),
  trust: async () => (await import('./commands/trust.ts')).trustCommand(),
  drill: async () => (await import('./commands/drill.ts')).drillCommand(),
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
