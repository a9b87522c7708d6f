import { execFile, execFileSync } from 'node:child_process';

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. */
export function runCommand(file: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, args, { env, cwd, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ status: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr });
    });
  });
}

/** Why a program can't be run here; false where it can. For the `skip` of tests that need it. */
export function missing(file: string, ...args: string[]): string | false {
  try {
    execFileSync(file, args, { stdio: 'ignore' });
    return false;
  } catch {
    return `${file} is not installed`;
  }
}
