import { type Call, type CallMatch, type LoggedCall, matchesCall } from './call-log.ts';
import { members } from './principal.ts';
import { SpecError } from './spec-error.ts';

/** What the emulator does instead of, or before, answering. */
export type Behaviour =
  /** Answers after `ms` milliseconds. */
  | { kind: 'delay'; ms: number }
  /** Takes the request and never answers, until the order is released or the caller hangs up. */
  | { kind: 'hang' }
  /** An error of the service's protocol. */
  | { kind: 'error'; status: number; code: string; message?: string }
  /** As the service says it: ThrottlingException (Secrets Manager), Throttling (STS), 429 (IMDS and container credentials). */
  | { kind: 'throttle' }
  /** Something that is not the protocol, with `status` (200 when absent) and `body`. */
  | { kind: 'garbage'; status?: number; body?: string }
  /** The service's own answer, in which what `pattern` matches is replaced: bytes that were changed on their way. */
  | { kind: 'alter'; pattern: string; replacement: string }
  /** Closes the connection: before anything is done, or, with `afterBytes`, once that much of the body is out. */
  | { kind: 'cut'; afterBytes?: number };

export type OrderSpec<M = CallMatch> = {
  match?: M;
  behaviour: Behaviour;
  /** For how many calls; for all, until it is removed, when absent. */
  times?: number;
};

export type Order<M = CallMatch> = {
  id: string;
  match: M;
  behaviour: Behaviour;
  /** Calls it is still good for; null for without end. */
  left: number | null;
  /** Calls it has shaped. */
  used: number;
};

type Entry<M> = { order: Order<M>; release: AbortController };
/** An order that shapes an answer; the signal tells that it holds it up no longer. */
export type Taken<M> = { order: Order<M>; released: AbortSignal };

/** Orders in force. Where several match, the one given first goes first, until it is used up. */
export class OrderBook<C extends LoggedCall, M extends object> {
  readonly #entries = new Map<string, Entry<M>>();
  readonly #matches: (match: M, call: C) => boolean;
  #lastId = 0;

  constructor(matches: (match: M, call: C) => boolean) {
    this.#matches = matches;
  }

  add(spec: OrderSpec<M>): Order<M> {
    this.#lastId += 1;
    const order: Order<M> = {
      id: String(this.#lastId),
      match: { ...spec.match } as M,
      behaviour: { ...spec.behaviour },
      left: spec.times ?? null,
      used: 0,
    };
    this.#entries.set(order.id, { order, release: new AbortController() });
    return order;
  }

  list(): Order<M>[] {
    return [...this.#entries.values()].map(({ order }) => ({ ...order }));
  }

  /** Ends an order; with `release`, the calls that it holds up are answered now. False when there is no such order. */
  remove(id: string, { release = false } = {}): boolean {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    this.#entries.delete(id);
    if (release) entry.release.abort();
    return true;
  }

  clear({ release = false } = {}): void {
    for (const id of [...this.#entries.keys()]) this.remove(id, { release });
  }

  /** The order that shapes the whole answer to `call`, counted as used; null when none matches. */
  take(call: C): Taken<M> | null {
    return this.takeWhere(call, () => true);
  }

  protected takeWhere(call: C, eligible: (order: Order<M>) => boolean): Taken<M> | null {
    for (const { order, release } of this.#entries.values()) {
      if (order.left === 0 || !eligible(order) || !this.#matches(order.match, call)) continue;
      order.used += 1;
      if (order.left !== null) order.left -= 1;
      return { order, released: release.signal };
    }
    return null;
  }
}

/** Of AWS, which answers for many secrets at once. */
export class AwsOrderBook extends OrderBook<Call, CallMatch> {
  constructor() {
    super(matchesCall);
  }

  override take(call: Call): Taken<CallMatch> | null {
    return this.takeWhere(call, (order) => !(call.operation === 'BatchGetSecretValue' && spoilsOneSecret(order)));
  }

  /** The order that spoils one secret within a batch, which AWS reports among the batch's errors. */
  takeForSecret(call: Call, secretId: string): Order | null {
    const single = { ...call, secretId, secretIds: [secretId] };
    return this.takeWhere(single, spoilsOneSecret)?.order ?? null;
  }
}

const spoilsOneSecret = (order: Order): boolean =>
  order.match.secret !== undefined && (order.behaviour.kind === 'error' || order.behaviour.kind === 'throttle');

/** Checks an order that came over HTTP or from a test; throws SpecError, as `matchOf` does. */
export function parseOrder<M>(json: unknown, matchOf: (json: unknown) => M): OrderSpec<M> {
  const spec = members(json, 'an order', ['match', 'behaviour', 'times']);
  const { times } = spec;
  if (times !== undefined && !(Number.isInteger(times) && (times as number) > 0)) {
    throw new SpecError('times is a whole number above zero');
  }
  return {
    match: matchOf(spec.match ?? {}),
    behaviour: parseBehaviour(spec.behaviour),
    ...(times === undefined ? {} : { times: times as number }),
  };
}

const SERVICES = ['secretsmanager', 'sts', 's3', 'imds', 'ecs'];
const MATCH_MEMBERS = ['service', 'operation', 'region', 'secret', 'accessKeyId', 'principal'];

export const parseMatch = (json: unknown): CallMatch => readMatch(json, MATCH_MEMBERS, SERVICES);

/** A match of these members, all of them strings. Throws SpecError. */
export function readMatch(json: unknown, names: string[], services: readonly string[]): Record<string, string> {
  const match = members(json, 'a match', names);
  for (const [name, value] of Object.entries(match)) {
    if (typeof value !== 'string') throw new SpecError(`${name} of a match is a string`);
  }
  if (match.service !== undefined && !services.includes(match.service as string)) {
    throw new SpecError(`service is one of ${services.join(', ')}`);
  }
  return match as Record<string, string>;
}

function parseBehaviour(json: unknown): Behaviour {
  const spec = members(json, 'a behaviour', [
    'kind',
    'ms',
    'status',
    'code',
    'message',
    'body',
    'pattern',
    'replacement',
    'afterBytes',
  ]);
  const number = (name: string, min: number, max: number) => {
    const value = spec[name];
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw new SpecError(`${name} of ${spec.kind} is a number from ${min} to ${max}`);
    }
    return value;
  };
  switch (spec.kind) {
    case 'delay':
      return { kind: 'delay', ms: number('ms', 0, 2 ** 31 - 1) };
    case 'hang':
    case 'throttle':
      return { kind: spec.kind };
    case 'error': {
      if (typeof spec.code !== 'string' || spec.code === '') throw new SpecError('code of error is a string');
      const error: Behaviour = { kind: 'error', status: number('status', 400, 599), code: spec.code };
      return typeof spec.message === 'string' ? { ...error, message: spec.message } : error;
    }
    case 'garbage':
      return {
        kind: 'garbage',
        ...(spec.status === undefined ? {} : { status: number('status', 200, 599) }),
        ...(typeof spec.body === 'string' ? { body: spec.body } : {}),
      };
    case 'alter': {
      const { pattern, replacement } = spec;
      if (typeof pattern !== 'string' || typeof replacement !== 'string' || !isPattern(pattern)) {
        throw new SpecError('pattern of alter is a regular expression, and replacement a string');
      }
      return { kind: 'alter', pattern, replacement };
    }
    case 'cut':
      return spec.afterBytes === undefined
        ? { kind: 'cut' }
        : { kind: 'cut', afterBytes: number('afterBytes', 0, Number.MAX_SAFE_INTEGER) };
    default:
      throw new SpecError('kind of a behaviour is delay, hang, error, throttle, garbage, alter or cut');
  }
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
