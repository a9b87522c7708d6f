import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The sources that the build starts from, by their path in the project. */
export const SOURCES = {
  controlPlane: 'control-plane/src/main.ts',
  dataPlane: 'data-plane/src/program.ts',
  client: 'data-plane/client/src/client.ts',
  clientReadme: 'data-plane/client/README.md',
  awsEmulator: 'test/aws-emulator/src/main.ts',
  awsEmulatorReadme: 'test/aws-emulator/README.md',
  demo: 'deploy/local/vaultplane.ts',
  demoSecrets: 'deploy/local/secrets.json',
  launcher: 'data-plane/bin/vaultplane-dp',
  migrations: 'control-plane/src/store/migrations',
  managerPage: 'control-plane/manager/src',
  managerFiles: 'control-plane/src/manager/manager-files.ts',
  /** Whose node_modules has what the programs depend on. */
  dependent: 'control-plane',
  builtManagerFiles: 'control-plane/src/manager/built-manager-files.ts',
} as const;

/** Licences of packages that have no text of theirs. */
export const KEPT_LICENCES = 'deploy/build/licences';

/** A text file of the project. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The project's package.json. */
export function manifest(): { version: string; license: string; description: string } {
  return JSON.parse(read('package.json'));
}
