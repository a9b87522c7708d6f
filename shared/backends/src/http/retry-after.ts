import type { IncomingHttpHeaders } from 'node:http';

/** Seconds. Whoever answers can ask for no longer pause: a value would be out of reach for as long as a stranger likes. */
const MAX_RETRY_AFTER_SECONDS = 300;

/** What an answer asks of its caller, in seconds; empty where it asks for nothing, or not in seconds. Source: RFC 9110 §10.2.3. */
export function retryAfterOf(headers: IncomingHttpHeaders): { retryAfterSeconds?: number } {
  const text = headers['retry-after'] ?? '';
  const seconds = /^\d+$/.test(text) ? Number(text) : 0;
  return seconds > 0 ? { retryAfterSeconds: Math.min(seconds, MAX_RETRY_AFTER_SECONDS) } : {};
}
