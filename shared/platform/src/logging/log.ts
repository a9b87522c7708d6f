import { pino } from 'pino';
import { sourcePositions } from '../source-positions.ts';
import { shownPath } from '../text/shown-text.ts';
import { diagnostics } from './diagnostics.ts';
import { currentRequestId } from './request-id.ts';

/**
 * The levels of `log_level`. Kong's words are understood beside pino's, since a kong.conf's may be read (specification.md §2).
 */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const PINO_LEVEL = {
  debug: 'debug',
  info: 'info',
  notice: 'info',
  warn: 'warn',
  error: 'error',
  crit: 'fatal',
  alert: 'fatal',
  emerg: 'fatal',
} as const;

/** Facts about an event; never a value, a token or a credential. */
export type LogFacts = Record<string, unknown>;

export interface Log {
  debug(facts: LogFacts, message: string): void;
  info(facts: LogFacts, message: string): void;
  warn(facts: LogFacts, message: string): void;
  error(facts: LogFacts, message: string): void;
  child(facts: LogFacts): Log;
  /** Of the whole log. */
  readonly level: LogLevel;
  /** Changes the level of the whole log: of its root and of every child. */
  setLevel(level: LogLevel): void;
}

/** Facts that name files, which a setting may hold something else in place of. */
const FILES = Object.fromEntries(
  ['path', 'set_aside_as', 'data_dir', 'api_token_file', 'api_unix_socket', 'certificateFile', 'keyFile'].map(
    (name) => [name, (value: unknown) => (typeof value === 'string' ? shownPath(value) : value)],
  ),
);

/**
 * A log of JSON lines (pino's form, times in ISO 8601), on stderr unless told otherwise. No line waits for its reader: see
 * `Diagnostics`.
 */
export function createLog(
  program: string,
  level: LogLevel = 'info',
  destination: { write(line: string): void } = diagnostics,
): Log {
  const options = {
    level: PINO_LEVEL[level],
    base: { program, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorFacts, ...FILES },
    mixin: () => {
      // An object of its own each time: pino writes the line's facts into it.
      const id = currentRequestId();
      return id === undefined ? {} : { request_id: id };
    },
  };
  const log = wrap(pino(options, destination), { level });
  if (destination === diagnostics) {
    diagnostics.tellBy((lines) => log.warn({ lines }, 'log lines were dropped: nobody read them'));
  }
  return log;
}

type ErrorFacts = ReturnType<typeof pino.stdSerializers.errWithCause> & { cause?: ErrorFacts };

/** An error with its stack and its causes. */
function errorFacts(error: Error): ErrorFacts {
  return nameSources(pino.stdSerializers.errWithCause(error));
}

function nameSources(facts: ErrorFacts): ErrorFacts {
  if (typeof facts.stack === 'string') facts.stack = sourcePositions(facts.stack);
  if (facts.cause) nameSources(facts.cause);
  for (const each of facts.aggregateErrors ?? []) nameSources(each);
  return facts;
}

function wrap(target: ReturnType<typeof pino>, shared: { level: LogLevel }, root = target): Log {
  // A child of pino keeps the level that it was born with.
  const current = () => {
    if (target.level !== root.level) target.level = root.level;
    return target;
  };
  return {
    debug: (facts, message) => {
      if (root.isLevelEnabled('debug')) current().debug({ event: eventOf(message), ...facts }, message);
    },
    info: (facts, message) => current().info({ event: eventOf(message), ...facts }, message),
    warn: (facts, message) => current().warn({ event: eventOf(message), ...facts }, message),
    error: (facts, message) => current().error({ event: eventOf(message), ...facts }, message),
    child: (facts) => wrap(target.child(facts), shared, root),
    get level() {
      return shared.level;
    },
    setLevel: (level) => {
      shared.level = level;
      root.level = PINO_LEVEL[level];
    },
  };
}

/** Messages are constants, so that there are few. */
const EVENTS = new Map<string, string>();

/**
 * The name of an event, for machines: its message's first clause, such as `a_data_plane_connected`. docs/reference/log.md
 * lists all.
 */
export function eventOf(message: string): string {
  let event = EVENTS.get(message);
  if (event === undefined) {
    const [clause] = message.split(/[:;,(]/) as [string];
    event = clause
      .trim()
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replaceAll(/^_|_$/g, '')
      .slice(0, 60);
    if (EVENTS.size < 1000) EVENTS.set(message, event);
  }
  return event;
}

/** A log that keeps nothing, for tests of what does not log. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
  level: 'info',
  setLevel() {},
};
