import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server whose connections carry one request each, and are reset at the next. */
export interface WornConnections extends AsyncDisposable {
  /** On 127.0.0.1. */
  port: number;
  /** Connections that were reset because they were used again. */
  resets(): number;
}

/**
 * What an idle connection is that the other side, or a load balancer between, has given up: it looks open, and the first
 * bytes that are sent on it are answered by a reset.
 *
 * @param target the server's port on 127.0.0.1
 */
export async function wearConnections(target: number): Promise<WornConnections> {
  const sockets = new Set<Socket>();
  let resets = 0;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    let hasAnswered = false;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (bytes: Buffer) => {
      if (!hasAnswered) far.write(bytes);
      else if (!near.destroyed) {
        resets++;
        near.resetAndDestroy();
      }
    });
    far.on('data', (bytes: Buffer) => {
      hasAnswered = true;
      near.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    resets: () => resets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
