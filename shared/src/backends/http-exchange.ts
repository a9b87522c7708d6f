import { type Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { urlToHttpOptions } from 'node:url';
import { BackendError } from './backend.ts';

/** Where a request goes, with a path that is sent as it stands: a URL's has had its dots resolved. */
export interface HttpTarget {
  protocol: 'http:' | 'https:';
  host: string;
  port: number;
  path: string;
}

export interface HttpRequest {
  method: 'GET' | 'POST';
  url: URL | HttpTarget;
  headers?: Readonly<Record<string, string>>;
  body?: string;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface HttpLimits {
  /** Milliseconds until there is a connection, TLS included. */
  connect: number;
  /** Bytes of an answer's body. */
  answer: number;
}

/**
 * Sends one request and reads its answer to the end.
 *
 * @param agent keeps connections alive, and says whom they trust
 * @throws Error of the connection, with its `code`; BackendError unavailable for an answer that is too large
 */
export async function exchange(
  request: HttpRequest,
  agent: Agent,
  limits: HttpLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  try {
    return await attempt(request, agent, limits, signal);
  } catch (error) {
    if (!(error instanceof IdleConnectionClosed)) throw error;
    // The others that are idle may be closed as well: the second attempt gets a connection of its own.
    closeIdle(agent);
    return attempt(request, agent, limits, signal);
  }
}

/** Closes the connections that nothing is under way on. */
export function closeIdle(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/** The other side may close a connection that was idle just when it is used again; then nothing has been done. */
class IdleConnectionClosed extends Error {
  readonly code = 'ECONNRESET';
}

async function attempt(
  { method, url, headers, body }: HttpRequest,
  agent: Agent,
  limits: HttpLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const secure = url.protocol === 'https:';
  const target = url instanceof URL ? urlToHttpOptions(url) : url;
  const call = (secure ? httpsRequest : httpRequest)({ ...target, method, headers, agent, signal }, resolve);
  call.once('error', (error: NodeJS.ErrnoException) => {
    const idle = call.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
    reject(idle ? new IdleConnectionClosed() : error);
  });
  call.once('socket', (socket) => limitConnecting(socket, secure, limits.connect));
  call.end(body);
  const message = await promise;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limits.answer) {
      message.destroy();
      throw new BackendError('unavailable', `an answer is larger than ${limits.answer} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(chunks) };
}

function limitConnecting(socket: Socket, secure: boolean, milliseconds: number): void {
  if (!socket.connecting) return;
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
  }, milliseconds);
  const clear = () => clearTimeout(timer);
  socket.once(secure ? 'secureConnect' : 'connect', clear).once('close', clear);
}
