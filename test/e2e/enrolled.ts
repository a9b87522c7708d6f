import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CONTROL_PLANE_MAIN,
  type ControlPlane,
  DATA_PLANE_MAIN,
  type DataPlane,
  type Deployment,
} from './deployment.ts';

/** What a control plane's environment needs for its being the CA. */
export const ENROLLED = { VAULTPLANE_CLUSTER_MTLS: 'enrolled' };

/** What a command has printed, and how it ended. */
export interface CommandResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a command of one of the programs to its end. */
export function run(main: string, args: string[], env: NodeJS.ProcessEnv, input = ''): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr });
    });
    child.stdin!.end(input);
  });
}

/** Makes an invitation by the command line. @throws Error where that fails */
export async function invite(controlPlane: ControlPlane, ...args: string[]): Promise<string> {
  const result = await run(CONTROL_PLANE_MAIN, ['node', 'invite', ...args], controlPlane.env);
  if (result.status !== 0) throw new Error(`node invite: ${result.stderr}`);
  return result.stdout.trim();
}

/** A data plane that is to join: without a certificate. */
export async function planJoiner(
  deployment: Deployment,
  name: string,
  controlPlane: ControlPlane,
  env: NodeJS.ProcessEnv = {},
): Promise<DataPlane> {
  return deployment.planDataPlane(name, controlPlane, {
    VAULTPLANE_CLUSTER_CERT: undefined,
    VAULTPLANE_CLUSTER_CERT_KEY: undefined,
    ...env,
  });
}

/** Has a data plane join by the command line. */
export function joinBy(token: string, dataPlane: DataPlane, ...args: string[]): Promise<CommandResult> {
  const target = dataPlane.env.VAULTPLANE_CLUSTER_CONTROL_PLANE!;
  return run(DATA_PLANE_MAIN, ['join', target, '--token-file', '-', ...args], dataPlane.env, token);
}

/** A token in a file. */
export function tokenFile(deployment: Deployment, token: string): string {
  const path = join(deployment.folder, `token-${files++}`);
  writeFileSync(path, `${token}\n`, { mode: 0o600 });
  return path;
}

let files = 0;
