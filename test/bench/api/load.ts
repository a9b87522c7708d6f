import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import autocannon from 'autocannon';
import type { Figures } from '../benchmark.ts';

/** One request, sent over and over. */
export interface Request {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** Where to: a TCP origin, such as http://127.0.0.1:80, or the path of a Unix socket. */
export type Destination = { origin: string } | { socketPath: string };

export interface LoadOptions {
  connections: number;
  seconds: number;
  signal: AbortSignal;
}

/** wrk takes a tenth of a core where autocannon takes all of one; it knows no Unix sockets. */
export const HAS_WRK = spawnSync('wrk', ['-v']).error === undefined;

/**
 * Answers a second, and the 99th percentile of their latency in milliseconds.
 *
 * @throws Error where an answer is no 200, or a connection breaks
 */
export function load(to: Destination, request: Request, options: LoadOptions): Promise<Figures> {
  return 'origin' in to && HAS_WRK ? loadByWrk(to.origin, request, options) : loadByAutocannon(to, request, options);
}

async function loadByWrk(origin: string, request: Request, options: LoadOptions): Promise<Figures> {
  const { connections, seconds, signal } = options;
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-wrk-'));
  try {
    const script = join(folder, 'request.lua');
    const headers = Object.entries(request.headers).map(([name, value]) => `wrk.headers[${lua(name)}] = ${lua(value)}`);
    const body = request.body === undefined ? [] : [`wrk.body = ${lua(request.body)}`];
    writeFileSync(script, [`wrk.method = ${lua(request.method)}`, ...headers, ...body, ''].join('\n'), { mode: 0o600 });
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, origin + request.path];
    const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
    child.on('error', () => {});
    const said = await text(child.stdout);
    signal.throwIfAborted();
    const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1]);
    const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)\b/.exec(said) ?? [];
    if (!(rate > 0) || p99 === undefined || /Non-2xx|Socket errors/.test(said)) {
      throw new Error(`${origin}${request.path} was not answered well: ${said}`);
    }
    return { rate, p99: Number(p99) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's'] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loadByAutocannon(to: Destination, request: Request, options: LoadOptions): Promise<Figures> {
  const { connections, seconds, signal } = options;
  const { path, ...rest } = request;
  const instance = autocannon({
    ...rest,
    ...('origin' in to ? { url: to.origin + path } : { url: `http://localhost${path}`, socketPath: to.socketPath }),
    connections,
    duration: seconds,
  });
  const stop = () => (instance as unknown as { stop(): void }).stop();
  signal.addEventListener('abort', stop, { once: true });
  const result = await instance;
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (result.non2xx > 0 || result.errors > 0 || result['2xx'] === 0)
    throw new Error(`${path}: ${result['2xx']} answers, ${result.non2xx} not 2xx, ${result.errors} errors`);
  return { rate: result.requests.average, p99: result.latency.p99 };
}

/** A Lua string; JSON's escapes are Lua's for what stands in headers and bodies here. */
function lua(value: string): string {
  if (/[^\x20-\x7e]/.test(value)) throw new Error('only printable ASCII can be sent by wrk');
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
