import type { IncomingMessage, ServerResponse } from 'node:http';
import { AwsError } from './aws-error.ts';
import type { Emulator } from './emulator.ts';
import { IMDS_MODES, type ImdsMode, type Machine } from './metadata-endpoint.ts';
import { type OrderSpec, parseMatch } from './order-book.ts';
import { members, type PrincipalSpec, type RoleSpec } from './principal.ts';
import { parseSecret, parseSeed } from './seed.ts';
import type { ReceivedRequest } from './signature.ts';
import { SpecError } from './spec-error.ts';

export const CONTROL_PATH = '/_emulator';

type Reply = { status: number; json: unknown };
type Ask = { json: unknown; query: URLSearchParams; rest: string[]; gone: AbortSignal };
type Handler = (ask: Ask) => Reply | Promise<Reply>;

const ok = (json: unknown): Reply => ({ status: 200, json });
const done = (found: boolean): Reply =>
  found ? { status: 204, json: null } : { status: 404, json: { error: 'there is no such thing' } };

/**
 * The emulator's own API, JSON over HTTP, for tests in other processes and for shells: all that `Emulator` does in
 * process. It takes no signature, so it answers this machine only (unless told otherwise) and no web page.
 */
export class ControlApi {
  readonly #emulator: Emulator;
  readonly #remote: boolean;
  readonly #handlers: Record<string, Handler>;

  constructor(emulator: Emulator, remote: boolean) {
    this.#emulator = emulator;
    this.#remote = remote;
    this.#handlers = this.#routes();
  }

  async handle(request: IncomingMessage, response: ServerResponse, received: ReceivedRequest): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const reply = await this.#reply(request, received, gone.signal);
    if (gone.signal.aborted) return;
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(reply.status === 204 ? undefined : `${JSON.stringify(reply.json)}\n`);
  }

  async #reply(request: IncomingMessage, received: ReceivedRequest, gone: AbortSignal): Promise<Reply> {
    // A browser sends Origin with every request that changes something: no web page may give orders here.
    if (request.headers.origin !== undefined || !(this.#remote || isLoopback(request.socket.remoteAddress))) {
      return { status: 403, json: { error: 'the control API is for programs on this machine' } };
    }
    const [noun = '', ...rest] = received.path
      .slice(CONTROL_PATH.length + 1)
      .split('/')
      .map(decodeURIComponent);

    const handler = this.#handlers[`${received.method} ${noun}${rest.length > 0 ? '/*' : ''}`];
    if (!handler) return { status: 404, json: { error: 'no such path', paths: Object.keys(this.#handlers) } };
    try {
      const json = received.body.length === 0 ? undefined : JSON.parse(received.body.toString('utf8'));
      return await handler({ json, query: new URLSearchParams(received.query), rest, gone });
    } catch (error) {
      if (error instanceof SyntaxError) return { status: 400, json: { error: 'the body is not JSON' } };
      if (error instanceof SpecError) return { status: 400, json: { error: error.message } };
      if (error instanceof AwsError) return { status: 409, json: { error: error.message, code: error.code } };
      throw error;
    }
  }

  #routes(): Record<string, Handler> {
    const emulator = this.#emulator;
    return {
      'GET health': () => ok({ status: 'ok', ...this.#addresses() }),
      'GET orders': () => ok(emulator.orders()),
      'POST orders': ({ json }) => ({ status: 201, json: { id: emulator.order(json as OrderSpec).id } }),
      'DELETE orders': ({ query }) => {
        emulator.clearOrders({ release: query.get('release') === 'true' });
        return done(true);
      },
      'DELETE orders/*': ({ rest, query }) =>
        done(emulator.removeOrder(rest[0]!, { release: query.get('release') === 'true' })),
      'GET calls': (ask) => this.#calls(ask),
      'DELETE calls': () => {
        emulator.resetCalls();
        return done(true);
      },
      'GET counts': () => ok(emulator.counts()),
      'POST secrets': ({ json }) => ({ status: 201, json: emulator.putSeeded(parseSecret(json, emulator.region)) }),
      'GET secrets': ({ query }) => {
        const found = emulator.describeSecret(query.get('region') ?? emulator.region, query.get('name') ?? '');
        return found ? ok(found) : done(false);
      },
      'DELETE secrets': ({ query }) =>
        done(emulator.deleteSecret(query.get('region') ?? emulator.region, query.get('name') ?? '')),
      'POST seed': ({ json }) => {
        emulator.seed(parseSeed(json, emulator.region));
        return done(true);
      },
      'GET principals': () => ok(emulator.principals()),
      'POST principals': ({ json }) => {
        emulator.addPrincipal(json as PrincipalSpec);
        return done(true);
      },
      'DELETE principals/*': ({ rest, query }) =>
        done(emulator.removePrincipal(rest[0]!, query.get('account') ?? undefined)),
      'GET roles': () => ok(emulator.roles()),
      'POST roles': ({ json }) => ({ status: 201, json: { arn: emulator.addRole(json as RoleSpec) } }),
      'DELETE roles/*': ({ rest }) => done(emulator.removeRole(rest.join('/'))),
      'POST credentials': ({ json }) => this.#issue(json),
      'POST credentials/*': ({ rest }) => done(rest[1] === 'expire' && emulator.expireCredentials(rest[0]!)),
      'DELETE credentials/*': ({ rest }) => done(emulator.revokeCredentials(rest[0]!)),
      'GET machine': () => ok({ ...emulator.machine, containerToken: emulator.machine.containerToken !== null }),
      'PATCH machine': ({ json }) => {
        emulator.setMachine(parseMachine(json));
        return done(true);
      },
      'POST reset': ({ query }) => {
        emulator.clearOrders({ release: true });
        emulator.resetCalls();
        if (query.get('secrets') === 'true') emulator.clearSecrets();
        return done(true);
      },
    };
  }

  #addresses() {
    const { url, imdsUrl, containerCredentialsUrl, region, credentials } = this.#emulator;
    return { url, imdsUrl, containerCredentialsUrl, region, accessKeyId: credentials.accessKeyId };
  }

  /** With `?atLeast=N` it waits for N matching calls, up to `timeoutMs` (30 s), then answers 408. */
  async #calls({ query, gone }: Ask): Promise<Reply> {
    const { atLeast, timeoutMs, ended, ...rest } = Object.fromEntries(query);
    const match = parseMatch(rest);
    if (atLeast === undefined) return ok(this.#emulator.calls(match));
    const timeout = AbortSignal.timeout(wholeNumber('timeoutMs', timeoutMs ?? '30000'));
    try {
      const options = { ended: ended === 'true', signal: AbortSignal.any([gone, timeout]) };
      return ok(await this.#emulator.waitForCalls(match, wholeNumber('atLeast', atLeast), options));
    } catch (error) {
      if (!timeout.aborted && !gone.aborted) throw error;
      return { status: 408, json: { error: `fewer than ${atLeast} such calls`, calls: this.#emulator.calls(match) } };
    }
  }

  #issue(json: unknown): Reply {
    const { role, session, seconds } = members(json, 'a request for credentials', ['role', 'session', 'seconds']);
    if (typeof role !== 'string') throw new SpecError('role is a name or an ARN');
    if (session !== undefined && typeof session !== 'string') throw new SpecError('session is a string');
    if (seconds !== undefined && typeof seconds !== 'number') throw new SpecError('seconds is a number');
    return { status: 201, json: this.#emulator.issueCredentials(role, session, seconds) };
  }
}

const MACHINE_MEMBERS = ['imds', 'instanceRole', 'taskRole', 'containerToken', 'region', 'sessionSeconds'];

export function parseMachine(json: unknown): Partial<Machine> {
  const spec = members(json, 'a machine', MACHINE_MEMBERS);
  if (spec.imds !== undefined && !IMDS_MODES.includes(spec.imds as ImdsMode)) {
    throw new SpecError(`imds is one of ${IMDS_MODES.join(', ')}`);
  }
  for (const name of ['instanceRole', 'taskRole', 'containerToken']) {
    const value = spec[name];
    if (value !== undefined && value !== null && typeof value !== 'string') {
      throw new SpecError(`${name} is a string or null`);
    }
  }
  if (spec.region !== undefined && typeof spec.region !== 'string') throw new SpecError('region is a string');
  const { sessionSeconds } = spec;
  if (sessionSeconds !== undefined && !(typeof sessionSeconds === 'number' && sessionSeconds > 0)) {
    throw new SpecError('sessionSeconds is a number above zero');
  }
  return spec as Partial<Machine>;
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new SpecError(`${name} is a whole number`);
  return Number(text);
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(127\.|::1$|::ffff:127\.)/.test(address);
