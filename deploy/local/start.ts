#!/usr/bin/env -S node --disable-sigusr1
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCli } from '@vaultplane/platform/lifecycle.ts';
import { Command } from 'commander';
import { demoCommand } from './demo.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

await runCli(
  demoCommand(new Command('npm start --'), {
    command: 'npm start --',
    folder: ROOT,
    bin: (name) => `node_modules/.bin/${name}`,
    controlPlane: join(ROOT, 'control-plane/src/main.ts'),
    dataPlane: join(ROOT, 'data-plane/src/main.mjs'),
    awsEmulator: join(ROOT, 'test/aws-emulator/src/main.ts'),
    secrets: join(ROOT, 'deploy/local/secrets.json'),
  }),
);
