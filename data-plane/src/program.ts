import { endOnUncaught, runCli, runToEnd } from '@vaultplane/platform/lifecycle.ts';

endOnUncaught('vaultplane-dp');
const [, , ...args] = process.argv;
if (args.length === 1 && args[0] === 'start') {
  // As most are started: there is nothing to parse, and so the library for that need not be loaded before the first answer.
  const { runDataPlane } = await import('./cli/run-data-plane.ts');
  await runToEnd('vaultplane-dp', () => runDataPlane({}));
} else {
  const { commandLine } = await import('./command-line.ts');
  await runCli(await commandLine(process.argv));
}
