import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

type Reply = { id: number; result?: unknown; error?: string };

/** One side of a fleet as a process of its own, which is told what to do, and answers when it is done. */
export class FleetProgram {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  readonly #ended: Promise<void>;
  #calls = 0;

  constructor(script: URL, signal: AbortSignal) {
    this.#child = fork(fileURLToPath(script), {
      serialization: 'advanced',
      execArgv: ['--expose-gc'],
      signal,
      killSignal: 'SIGKILL',
    });
    this.#child.on('message', ({ id, result, error }: Reply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new Error(error));
    });
    this.#child.once('error', () => {});
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${script.pathname} has ended`));
        resolve();
      });
    });
  }

  /** @throws Error with what the other process says is wrong */
  call<Result>(name: string, input: unknown = null): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const id = ++this.#calls;
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, input }, (error) => error && reject(error));
    });
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }
}

/** In the program: does what it is told. It ends with its parent. */
export function serveParent(handlers: Record<string, (input: never) => unknown>): void {
  const own: typeof handlers = { facts: processFacts, ...handlers };
  process.once('disconnect', () => process.exit(0));
  process.on('message', async ({ id, name, input }: { id: number; name: string; input: never }) => {
    let reply: Reply;
    try {
      reply = { id, result: await own[name]!(input) };
    } catch (error) {
      reply = { id, error: (error as Error).stack ?? String(error) };
    }
    process.send!(reply);
  });
}

export interface ProcessFacts {
  cpuSeconds: number;
  /** Garbage collected. */
  rssBytes: number;
}

/** What the collecting for `processFacts` itself has taken: no part of what is measured. */
let collectingSeconds = 0;

function processFacts(): ProcessFacts {
  const before = usedCpuSeconds();
  globalThis.gc!();
  const facts = { cpuSeconds: before - collectingSeconds, rssBytes: process.memoryUsage.rss() };
  collectingSeconds += usedCpuSeconds() - before;
  return facts;
}

function usedCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Milliseconds since 1970, with fractions, the same in all processes of one machine. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
