#!/usr/bin/env -S node --disable-sigusr1
// `vaultplane` of the npm package. Its files are where the build puts them: this one in lib/demo.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runCli } from '@vaultplane/platform/lifecycle.ts';
import { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { demoCommand } from './demo.ts';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const AWS_EMULATOR = file('../aws-emulator/vaultplane-aws-emulator.js');
// As the caller called it: `npx vaultplane`, or by a PATH that has it.
const prefix = process.env.npm_command === 'exec' ? 'npx ' : '';

const program = new Command('vaultplane')
  .description(
    'Secrets from AWS Secrets Manager for a fleet of machines. The programs are vaultplane-cp (control plane) and vaultplane-dp (data plane).',
  )
  .version(packageJson.version);

demoCommand(program.command('demo'), {
  command: `${prefix}vaultplane demo`,
  folder: process.cwd(),
  bin: (name) => prefix + (name === 'vaultplane-aws-emulator' ? 'vaultplane aws-emulator' : name),
  controlPlane: file('../control-plane/vaultplane-cp.js'),
  dataPlane: file('../data-plane/vaultplane-dp.js'),
  awsEmulator: AWS_EMULATOR,
  secrets: file('./secrets.json'),
});

program
  .command('aws-emulator')
  .description('The emulated AWS of the demonstration: change its secrets, or start one of your own.')
  .argument('[arguments...]')
  .helpOption(false)
  .allowUnknownOption()
  .action(async (args: string[]) => {
    // It reads its command line itself.
    process.argv.splice(1, process.argv.length, AWS_EMULATOR, ...args);
    await import(pathToFileURL(AWS_EMULATOR).href);
  });

await runCli(program);
