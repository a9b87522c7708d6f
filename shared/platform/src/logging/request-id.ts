import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The header by which a caller names its request, and by which every answer names it. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** What may stand in a log line as it is. Source: what proxies and AWS make: UUIDs, hex, `Root=1-…` of X-Ray. */
const WELL_FORMED = /^[\w.:;=+/@-]{1,128}$/;
const current = new AsyncLocalStorage<string | undefined>();

/** The id that a caller has given its request; undefined where it has given none that is well-formed. */
export function sentRequestId(headers: IncomingHttpHeaders): string | undefined {
  const sent = headers[REQUEST_ID_HEADER];
  return typeof sent === 'string' && WELL_FORMED.test(sent) ? sent : undefined;
}

/** Of this process, and none else's: all but the last part of a random UUID. */
const PROCESS_PART = randomUUID().slice(0, -12);
/** Twelve digits of base 16, for as long as any process runs. */
let requests = 2 ** 44 + Math.floor(Math.random() * 2 ** 40);

/** An id for a request that has none, in the form of a UUID; it costs less than one. */
export function nextRequestId(): string {
  requests++;
  return PROCESS_PART + requests.toString(16);
}

/** Does work for a request: whatever is logged by it, now and after what it waits for, has this `request_id`. */
export function forRequest<T>(id: string, work: () => T): T {
  return current.run(id, work);
}

/** Does what goes on for nobody in particular, such as the setting of a timer, though a request may have led to it. */
export function forNoRequest<T>(work: () => T): T {
  return current.getStore() === undefined ? work() : current.run(undefined, work);
}

/** The id of the request that is being worked for; undefined for none. */
export function currentRequestId(): string | undefined {
  return current.getStore();
}
