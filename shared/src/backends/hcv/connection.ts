import type { Agent as HttpAgent } from 'node:http';
import { closeIdle } from '../../idle-connections.ts';
import { shownName } from '../../shown-text.ts';
import type { UpstreamGuard } from '../../upstream-policy/guard.ts';
import { Agents } from '../agents.ts';
import { type BackendContext, BackendError } from '../backend.ts';
import { exchange, type HttpAnswer } from '../http-exchange.ts';
import { OwnAddress } from '../own-address.ts';
import type { HcvConfig } from './config.ts';
import { type Answer, isAboutTrust } from './errors.ts';
import { tlsMaterial } from './tls-material.ts';

/** The servers' own limit of an entry in their storage (integrated storage: max_entry_size). A secret is one entry. */
const MAX_ANSWER_BYTES = 1024 * 1024;

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
  readonly #guard: UpstreamGuard;
  readonly #agents: Agents;
  #agent: HttpAgent | undefined;
  #isStopped = false;

  /** @param guard asked before each request leaves */
  constructor(config: HcvConfig, context: BackendContext, guard: UpstreamGuard) {
    this.#config = config;
    this.#context = context;
    this.#guard = guard;
    this.#own = new OwnAddress(context);
    this.#agents = new Agents(context);
  }

  /** @throws Error of the connection, or BackendError unavailable */
  async send(request: Request, signal: AbortSignal): Promise<Answer> {
    const { host, port } = this.#config;
    if (await this.#own.isAt(host, port)) {
      throw new BackendError(
        'unavailable',
        `${shownName(host)}:${port} is this program's own api_listen, so it would ask itself; host and port must lead to the vault's server`,
      );
    }
    try {
      return await this.#exchange(request, signal);
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
    closeIdle(old);
  }

  /** Cuts short what is under way. */
  stop(): void {
    this.#isStopped = true;
    this.#agent?.destroy();
  }

  async #exchange({ method, path, headers, body }: Request, signal: AbortSignal): Promise<Answer> {
    const { host, port, protocol } = this.#config;
    if (this.#isStopped) throw new BackendError('unavailable', 'the program is stopping');
    const url = { protocol: `${protocol}:`, host, port, path } as const;
    // Before a connection is made too: that shows a certificate.
    this.#guard.check(url);
    this.#agent ??= this.#agents.oneFor(url, this.#guard.origin, () =>
      tlsMaterial(this.#config, this.#context.trustedCertificates),
    );
    const limits = { connect: this.#context.deadlines.connect, answer: MAX_ANSWER_BYTES };
    const request = { method, url, headers, ...(body !== undefined && { body }) };
    return answerOf(await exchange(request, this.#agent, limits, signal));
  }
}

function answerOf({ status, headers, body }: HttpAnswer): Answer {
  const text = body.toString('utf8');
  const retryAfter = Number(headers['retry-after']);
  return {
    status,
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
