import { LOG_LEVELS, type Log, type LogLevel } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { FastifyInstance } from 'fastify';
import { type Actor, type AuditLog, noteLogLevel, type WriteRequest } from '../store/audit-log.ts';
import { badRequest } from './kong-error.ts';
import { parameter } from './paging.ts';
import { entityOf } from './request-body.ts';
import { pathParameter, queryOf, resource, writeRequest } from './resources.ts';

/** A year. */
const MAX_TIMEOUT_SECONDS = 31_536_000;

interface Parts {
  audit: AuditLog;
  log: Log;
  clock: Clock;
}

/**
 * The log level of this control plane. Source: Kong, api/routes/debug.lua. There a level without a timeout goes back after
 * 60 s; here it stays until it is set again, at SIGHUP, or at a restart.
 */
export function logLevelRoutes(app: FastifyInstance, parts: Parts): void {
  const { log } = parts;
  const level = new TimedLogLevel(parts);
  app.addHook('onClose', async () => level.stop());
  resource(app, '/debug/node/log-level', { GET: () => ({ message: `log level: ${log.level}` }) });
  resource(
    app,
    '/debug/node/log-level/:level',
    {
      PUT: async (request) => {
        const wanted = pathParameter(request, 'level') as LogLevel;
        if (!LOG_LEVELS.includes(wanted)) {
          throw badRequest(`unknown log level; it must be one of ${LOG_LEVELS.join(', ')}`);
        }
        // In the query or, as Kong takes it too, in the body.
        const timeout = timeoutOf(parameter(queryOf(request), 'timeout') ?? entityOf(request.body).timeout);
        await level.set(wanted, timeout, request.actor, writeRequest(request, 200));
        return { message: 'log level changed' };
      },
    },
    { role: 'admin' },
  );
}

/** Seconds. @throws KongError */
function timeoutOf(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  const text = typeof given === 'number' ? String(given) : given;
  const seconds = typeof text === 'string' && /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Math.ceil(Number(text)) : Number.NaN;
  if (seconds <= MAX_TIMEOUT_SECONDS) return seconds;
  throw badRequest(`timeout must be a number of seconds from 0 to ${MAX_TIMEOUT_SECONDS}`);
}

/** A log level that may be set for a time, after which it is again what it was before. */
class TimedLogLevel {
  readonly #parts: Parts;
  /** What it goes back from, and to. */
  #until: { from: LogLevel; to: LogLevel; cancel: () => void } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @param timeoutSeconds 0: it goes back at once to what it was before it was set for a time; undefined: it stays */
  async set(level: LogLevel, timeoutSeconds: number | undefined, actor: Actor, request: WriteRequest): Promise<void> {
    const { log, clock } = this.#parts;
    const before = log.level;
    // Set for a time again: it goes back to what it was before the first time.
    const base = this.#until?.from === before ? this.#until.to : before;
    this.stop();
    log.setLevel(timeoutSeconds === 0 ? base : level);
    if (timeoutSeconds !== undefined && timeoutSeconds > 0 && level !== base) {
      const cancel = clock.after(timeoutSeconds * 1000, () => void this.#goBack(actor, request));
      this.#until = { from: level, to: base, cancel };
    }
    await noteLogLevel(this.#parts, actor, request, before);
  }

  stop(): void {
    this.#until?.cancel();
    this.#until = undefined;
  }

  /** Whoever has set another meanwhile, by a signal too, is not overruled. */
  async #goBack(actor: Actor, { path }: WriteRequest): Promise<void> {
    const { log } = this.#parts;
    const until = this.#until;
    this.#until = undefined;
    if (until?.from !== log.level) return;
    log.setLevel(until.to);
    await noteLogLevel(this.#parts, actor, { method: 'TIMEOUT', path }, until.from);
  }
}
