import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../time/clock.ts';

/**
 * Whether a request names its host more than once. Node.js takes the first, a proxy in front may have taken the last: what
 * one of them has checked is then not what the other goes by. It is to be answered 400. Source: RFC 9112 §3.2.
 */
export function namesTwoHosts({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

export const TWO_HOSTS = 'the request has more than one Host header';

/** Milliseconds that a client may go on sending what nobody wants. */
const REST_WITHIN_MS = 10_000;

/**
 * Has an answer reach a client that is still sending, to be called before its head is written: what is still to come of the
 * request is read and dropped, and the connection ended only then. Many clients send all of a body before they read
 * (Python's urllib), or lose the answer where the connection is reset while they send (Node.js's fetch). It is cut where
 * that takes too long. Source: RFC 9112 §9.6.
 */
export function answerWhileSending(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) return;
  // Node.js would end the connection with the answer where either side says `Connection: close`.
  response.removeHeader('connection');
  response.shouldKeepAlive = true;
  const { socket } = request;
  const cancel = systemClock.after(REST_WITHIN_MS, () => socket.destroy());
  const end = () => {
    cancel();
    if (response.writableFinished) socket.destroySoon();
    else response.once('finish', () => socket.destroySoon());
  };
  request.once('end', end).once('close', cancel);
  request.unpipe();
  request.resume();
}
