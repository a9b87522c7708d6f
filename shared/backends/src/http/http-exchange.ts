import type { Agent, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { urlToHttpOptions } from 'node:url';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { idleErrors, retryIdleClosed } from '@vaultplane/platform/net/idle-connections.ts';
import { withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import { http, https } from '@vaultplane/platform/node-modules.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { ForwardingAgent } from '../proxies/agents.ts';
import { type AnswerBudget, answerBudget } from './answer-budget.ts';

/** Where a request goes, with a path that is sent as it stands: a URL's has had its dots resolved. */
export interface HttpTarget {
  protocol: 'http:' | 'https:';
  host: string;
  port: number;
  path: string;
}

export interface HttpRequest {
  method: string;
  url: URL | HttpTarget;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
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
  /** Of all answers under way; without it that of all vaults. */
  budget?: AnswerBudget;
}

/**
 * Sends one request and reads its answer to the end. Where it went out on a kept connection that turns out dead, it is sent
 * once more on a new one: the other side may close an idle connection just when it is used again.
 *
 * @param agent keeps connections alive, and says whom they trust
 * @throws Error of the connection, with its `code`; BackendError unavailable for an answer that is too large, alone or
 *   together with all others under way
 */
export async function exchange(
  request: HttpRequest,
  agent: Agent,
  limits: HttpLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return retryIdleClosed(agent, () => exchangeOnce(request, agent, limits, signal));
}

/**
 * One attempt. Made of events: an async iteration and a request's own `signal` take
 * longer than all the rest of it.
 */
function exchangeOnce(
  { method, url, headers, body }: HttpRequest,
  agent: Agent,
  limits: HttpLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(givenUp(signal));
    const secure = url.protocol === 'https:';
    const target = url instanceof URL ? urlToHttpOptions(url) : url;
    const forwarded = agent instanceof ForwardingAgent ? agent.requestOf(targetOf(url), headers) : undefined;
    const call = (secure ? https : http).request({ ...target, method, headers, agent, ...forwarded });
    const errorOf = idleErrors(call);
    const onAbort = () => fail(givenUp(signal));
    const fail = (error: Error) => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
      call.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // Stays: what is destroyed may fail once more.
    call.on('error', (error) => fail(errorOf(error)));
    call.once('socket', (socket) => limitConnecting(socket, secure, limits.connect));
    call.once('response', (message) => {
      readBody(message, destinationOf(url), limits, fail, (whole) => {
        signal.removeEventListener('abort', onAbort);
        resolve({ status: message.statusCode ?? 0, headers: message.headers, body: whole });
      });
    });
    call.end(body);
  });
}

function targetOf(url: URL | HttpTarget): Omit<HttpTarget, 'protocol'> {
  if (!(url instanceof URL)) return url;
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  return { host: withoutBrackets(url.hostname), port, path: url.pathname + url.search };
}

function destinationOf(url: URL | HttpTarget): string {
  return url instanceof URL ? url.host : `${url.host}:${url.port}`;
}

function givenUp(signal: AbortSignal): Error {
  const isLate = (signal.reason as Error | undefined)?.name === 'TimeoutError';
  return Object.assign(new Error('the call was given up'), { code: isLate ? 'ETIMEDOUT' : 'ABORT_ERR' });
}

/** Counts before it keeps: no byte over a limit is held, and none is parsed. */
function readBody(
  message: IncomingMessage,
  destination: string,
  { answer: largest, budget = answerBudget }: HttpLimits,
  fail: (error: Error) => void,
  done: (body: Buffer) => void,
): void {
  const tooLarge = () => new BackendError('unavailable', `an answer is larger than ${largest} bytes`);
  if (Number(message.headers['content-length']) > largest) {
    fail(tooLarge());
    return;
  }
  let chunks: Buffer[] = [];
  let size = 0;
  const refuse = (error: Error) => {
    chunks = [];
    fail(error);
  };
  const share = budget.open(destination, refuse);
  message.on('data', (chunk: Buffer) => {
    size += chunk.length;
    share.add(chunk.length);
    if (message.destroyed) return;
    if (size > largest) refuse(tooLarge());
    else chunks.push(chunk);
  });
  message.on('error', fail);
  message.once('close', () => share.end());
  message.once('end', () => {
    share.end();
    done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  });
}

function limitConnecting(socket: Socket, secure: boolean, milliseconds: number): void {
  if (!socket.connecting) return;
  const clear = systemClock.after(milliseconds, () => {
    socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
  });
  socket.once(secure ? 'secureConnect' : 'connect', clear).once('close', clear);
}
