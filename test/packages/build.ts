import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What became of a build. */
export interface BuildRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A build in progress. */
export interface RunningBuild {
  readonly done: Promise<BuildRun>;
  /** Resolves once it has printed a text. @throws Error when it ends without that */
  printed(text: string): Promise<void>;
  interrupt(): void;
}

/** Runs the build as `npm run build -- ARGUMENT…` does. */
export function startBuild(...args: string[]): RunningBuild {
  const child = spawn(process.execPath, ['deploy/build/run.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const run: BuildRun = { code: null, stdout: '', stderr: '' };
  let look = () => {};
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      run[name] += text;
      look();
    });
  }
  const done = new Promise<BuildRun>((resolve) => child.once('close', (code) => resolve({ ...run, code })));
  return {
    done,
    printed: (text) =>
      new Promise((resolve, reject) => {
        look = () => run.stdout.includes(text) && resolve();
        look();
        void done.then(() => reject(new Error(`the build ended without printing ${text}: ${run.stdout}${run.stderr}`)));
      }),
    interrupt: () => child.kill('SIGINT'),
  };
}
