import type { Agent, ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/** A request was sent on a kept connection that the other side had closed: not a byte of an answer came. */
class IdleConnectionClosed extends Error {
  readonly code = 'ECONNRESET';
}

/** Destroys the connections that carry no request. */
export function closeIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/**
 * Watches a request for the death of the connection that it was sent on.
 *
 * @returns makes the request's error one that `retryIdleClosed` knows, where a kept connection died before a byte of the
 *   answer came; every other error is returned as it is
 */
export function idleErrors(call: ClientRequest): (error: NodeJS.ErrnoException) => Error {
  let sent: { socket: Socket; bytesRead: number } | undefined;
  call.once('socket', (socket) => {
    sent = { socket, bytesRead: socket.bytesRead };
  });
  return (error) => {
    const isClosed = error.code === 'ECONNRESET' || error.code === 'EPIPE';
    if (!isClosed || !call.reusedSocket || sent?.socket.bytesRead !== sent?.bytesRead) return error;
    return new IdleConnectionClosed(error.message, { cause: error });
  };
}

/**
 * Sends a request, and once more on a new connection where `send` fails by a kept one that is dead.
 *
 * @param send makes the request by `agent`; rejects with what `idleErrors` made of its error
 */
export async function retryIdleClosed<T>(agent: Agent, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof IdleConnectionClosed)) throw error;
    // The others that are idle may be closed as well.
    closeIdle(agent);
    return send();
  }
}
