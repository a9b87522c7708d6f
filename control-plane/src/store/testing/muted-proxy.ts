import { connect, createServer, type Socket } from 'node:net';

/** A way to a Postgres server on which connections can be cut so that neither side notices. */
export interface MutedProxy {
  port: number;
  /** From now on nothing passes by connections that have said LISTEN; they stay open. */
  muteListeners(): void;
  /** How many connections have said LISTEN. */
  listeners(): number;
  stop(): Promise<void>;
}

export async function startMutedProxy(target: { host: string; port: number }): Promise<MutedProxy> {
  const sockets = new Set<Socket>();
  const listeners = new Set<object>();
  const muted = new WeakSet<object>();
  const server = createServer((near) => {
    const pair = {};
    const far = connect(target.port, target.host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        listeners.delete(pair);
        if (!muted.has(pair)) to.destroy();
      });
      from.on('data', (bytes: Buffer) => {
        if (from === near && /\blisten \w/i.test(bytes.toString('latin1'))) listeners.add(pair);
        if (!muted.has(pair)) to.write(bytes);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    muteListeners: () => {
      for (const pair of listeners) muted.add(pair);
    },
    listeners: () => listeners.size,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
