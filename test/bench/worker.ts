import { spawn } from 'node:child_process';
import { json, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface WorkerOptions {
  signal: AbortSignal;
  /** For Node.js, such as --expose-gc. */
  nodeArgs?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

/**
 * Runs a script in a process of its own, so that it is measured with nothing in memory, and nothing compiled, that
 * another left there. The script gives its answer by `answerParent`.
 *
 * @throws Error with what the script wrote when it ends without an answer
 */
export async function runWorker<Answer>(script: URL, input: unknown, options: WorkerOptions): Promise<Answer> {
  const { signal, nodeArgs = [], env } = options;
  const child = spawn(process.execPath, [...nodeArgs, fileURLToPath(script)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    ...(env && { env }),
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve());
    child.once('error', reject);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(input));
  const [said, errors] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (child.exitCode !== 0) throw new Error(`${script.pathname} failed: ${errors.trim().slice(-2000)}`);
  return JSON.parse(said) as Answer;
}

/** In the worker: what the parent sent, to what it is answered. The process ends with it. */
export async function answerParent<Input>(answer: (input: Input) => Promise<unknown>): Promise<void> {
  const input = (await json(process.stdin)) as Input;
  const given = JSON.stringify(await answer(input));
  process.stdout.write(given, () => process.exit(0));
}
