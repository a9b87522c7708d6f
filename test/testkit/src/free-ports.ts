import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the system's ephemeral ports (Linux: from 32768 on), which other tests' servers and outgoing connections are given
 * all the time, and above the default ports of our programs.
 */
const LOWEST = 16_384;
const HIGHEST = 32_767;

/**
 * Ports of 127.0.0.1 that nothing listens on now, for programs that have to be told theirs. What runs beside may still
 * take one, but it would have to choose the very same by chance.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
