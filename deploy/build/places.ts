import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The sources that the build starts from, by their path in the project. */
export const SOURCES = {
  controlPlane: 'control-plane/src/main.ts',
  dataPlane: 'data-plane/src/program.ts',
  awsEmulator: 'test/aws-emulator/src/main.ts',
  demo: 'deploy/local/vaultplane.ts',
  demoSecrets: 'deploy/local/secrets.json',
  launcher: 'data-plane/bin/vaultplane-dp',
  migrations: 'control-plane/src/store/migrations',
  managerPage: 'control-plane/src/manager/app',
} as const;

/** A text file of the project. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The project's package.json. */
export function manifest(): { version: string; license: string; description: string } {
  return JSON.parse(read('package.json'));
}

/** The version of a package of npm that the control plane is tested with. */
export function installedVersion(name: string): string {
  return JSON.parse(read(`control-plane/node_modules/${name}/package.json`)).version;
}
