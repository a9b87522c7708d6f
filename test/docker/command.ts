import { spawn } from 'node:child_process';

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Given to its standard input. */
  input?: string;
  /** Milliseconds until it is killed. */
  withinMs?: number;
  signal?: AbortSignal | undefined;
}

export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end, whatever its exit status. */
export async function tryCommand(name: string, args: string[], options: CommandOptions = {}): Promise<Outcome> {
  const late = AbortSignal.timeout(options.withinMs ?? 120_000);
  const child = spawn(name, args, {
    env: options.env ?? process.env,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: options.signal ? AbortSignal.any([options.signal, late]) : late,
    killSignal: 'SIGKILL',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // It may end without having read what it is given.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(late.aborted ? new Error(`${name} ${args.join(' ')} took too long\n${stdout}${stderr}`) : error),
    );
    child.once('close', (code) => resolve({ status: code ?? 1, stdout, stderr }));
  });
}

/** Runs a command and gives what it wrote. @throws Error with its last words when its exit status is not 0 */
export async function command(name: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await tryCommand(name, args, options);
  if (status === 0) return stdout;
  const words = `${stdout}\n${stderr}`.trim().split('\n').slice(-25).join('\n');
  throw new Error(`${name} ${args.join(' ')} ended with ${status}:\n${words}`);
}

/** Asks until it is so: another machine's programs have no event that could be waited for. @throws what kept it from being so */
export async function eventually<T>(what: string, ask: () => Promise<T>, withinMs = 150_000): Promise<T> {
  const end = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  } while (performance.now() < end);
  throw new Error(
    `${what}: not within ${withinMs / 1000} s${last === undefined ? '' : ` (${(last as Error).message})`}`,
  );
}
