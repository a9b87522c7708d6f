import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { type BackendContext, BackendError } from '../backend.ts';
import { OwnAddress } from '../own-address.ts';
import type { HcvConfig } from './config.ts';
import { type Answer, isAboutTrust } from './errors.ts';
import { tlsMaterial } from './tls-material.ts';

/** Connections at once to one server. */
const MAX_SOCKETS = 50;
/** The servers take no larger request, so that they can't have a larger secret. */
const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;

export interface Request {
  method: 'GET' | 'POST';
  /** From `/v1/` on, encoded. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
}

/** The kept-alive connections to one server, and what they show and trust. */
export class Connection {
  readonly #config: HcvConfig;
  readonly #context: BackendContext;
  readonly #own: OwnAddress;
  #agent: HttpAgent | undefined;
  #isStopped = false;

  constructor(config: HcvConfig, context: BackendContext) {
    this.#config = config;
    this.#context = context;
    this.#own = new OwnAddress(context);
  }

  /** @throws Error of the connection, or BackendError unavailable */
  async send(request: Request, signal: AbortSignal): Promise<Answer> {
    const { host, port } = this.#config;
    if (await this.#own.isAt(host, port)) {
      throw new BackendError(
        'unavailable',
        `${host}:${port} is this program's own api_listen, so it would ask itself; host and port must lead to the vault's server`,
      );
    }
    try {
      return await this.#attempt(request, signal, true);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Either side may have new certificates by the next call.
      if (code !== undefined && isAboutTrust(code)) this.renew();
      throw error;
    }
  }

  /** Reads certificates anew at the next call. */
  renew(): void {
    const old = this.#agent;
    this.#agent = undefined;
    if (!old) return;
    // Calls that are under way keep their sockets, and close them when they are done.
    old.maxFreeSockets = 0;
    for (const sockets of Object.values(old.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Cuts short what is under way. */
  stop(): void {
    this.#isStopped = true;
    this.#agent?.destroy();
  }

  async #attempt(request: Request, signal: AbortSignal, mayRepeat: boolean): Promise<Answer> {
    const { host, port, protocol } = this.#config;
    const { method, path, headers, body } = request;
    if (this.#isStopped) throw new BackendError('unavailable', 'the program is stopping');
    this.#agent ??= this.#newAgent();
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options = { method, host, port, path, headers, agent: this.#agent, signal };
    const call = (protocol === 'https' ? httpsRequest : httpRequest)(options, resolve);
    call.once('error', reject);
    call.once('socket', (socket) => limitConnecting(socket, protocol, this.#context.deadlines.connect));
    call.end(body);
    try {
      return await readAnswer(await promise);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The server may close a connection that was idle just when it is used again.
      if (mayRepeat && call.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')) {
        return this.#attempt(request, signal, false);
      }
      throw error;
    }
  }

  #newAgent(): HttpAgent {
    const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
    if (this.#config.protocol === 'http') return new HttpAgent(options);
    return new HttpsAgent({ ...options, ...tlsMaterial(this.#config, this.#context.trustedCertificates) });
  }
}

function limitConnecting(socket: Socket, protocol: 'http' | 'https', milliseconds: number): void {
  if (!socket.connecting) return;
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
  }, milliseconds);
  const clear = () => clearTimeout(timer);
  socket.once(protocol === 'https' ? 'secureConnect' : 'connect', clear).once('close', clear);
}

async function readAnswer(message: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_ANSWER_BYTES) {
      message.destroy();
      throw new BackendError('unavailable', `an answer is larger than ${LARGEST_ANSWER_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const retryAfter = Number(message.headers['retry-after']);
  return {
    status: message.statusCode ?? 0,
    body: jsonObject(text),
    text,
    ...(Number.isFinite(retryAfter) && retryAfter > 0 && { retryAfterSeconds: retryAfter }),
  };
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
