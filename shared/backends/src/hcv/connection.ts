import type { Agent as HttpAgent } from 'node:http';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { closeIdle } from '@vaultplane/platform/net/idle-connections.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import { Agents } from '../http/agents.ts';
import { exchange, type HttpAnswer, type HttpTarget } from '../http/http-exchange.ts';
import { OwnAddress } from '../http/own-address.ts';
import { retryAfterOf } from '../http/retry-after.ts';
import type { HcvConfig } from './config.ts';
import { type Answer, isAboutTrust } from './errors.ts';
import { type Leader, leaderOf } from './leader.ts';
import { tlsMaterial } from './tls-material.ts';

/** The servers' own limit of an entry in their storage (integrated storage: max_entry_size). A secret is one entry. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Agents of leaders that are kept: those of one cluster. */
const MAX_LEADERS = 8;

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
  readonly #leaders = new Map<string, HttpAgent>();
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
    await this.#refuseOwn(this.#config);
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
    for (const agent of [this.#agent, ...this.#leaders.values()]) if (agent) retire(agent);
    this.#agent = undefined;
    this.#leaders.clear();
  }

  /** Cuts short what is under way. */
  stop(): void {
    this.#isStopped = true;
    for (const agent of [this.#agent, ...this.#leaders.values()]) agent?.destroy();
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
    const answer = await exchange(request, this.#agent, limits, signal);
    if (answer.status !== 307) return answerOf(answer);
    // Once: what a leader answers is not followed.
    const leader = leaderOf(answer.headers.location, this.#config, this.#guard, this.#context);
    await this.#refuseOwn(leader);
    try {
      const agent = this.#agentOf(leader);
      return answerOf(await exchange({ ...request, url: urlOf(leader, path) }, agent, limits, signal));
    } catch (error) {
      throw leaderFailed(error, this.#config, leader);
    }
  }

  /** Connections to a leader are on its standby's word: its name must not lead to a metadata address. */
  #agentOf(leader: Leader): HttpAgent {
    const key = `${leader.name} ${leader.isUnderOwnCa}`;
    const material = () => {
      const { trustedCertificates } = this.#context;
      // Node.js trusts nobody else where it is given whom to trust.
      return tlsMaterial(this.#config, leader.isUnderOwnCa ? [] : trustedCertificates);
    };
    const agent = this.#leaders.get(key) ?? this.#agents.oneFor(leader, 'pushed', material);
    this.#leaders.set(key, agent);
    const [oldest] = this.#leaders;
    if (this.#leaders.size > MAX_LEADERS && oldest) {
      retire(oldest[1]);
      this.#leaders.delete(oldest[0]);
    }
    return agent;
  }

  async #refuseOwn({ host, port }: { host: string; port: number }): Promise<void> {
    if (!(await this.#own.isAt(host, port))) return;
    throw new BackendError(
      'unavailable',
      `${shownName(host)}:${port} is this program's own api_listen, so it would ask itself; host and port must lead to the vault's server`,
    );
  }
}

function urlOf({ protocol, host, port }: Leader, path: string): HttpTarget {
  return { protocol, host, port, path };
}

/** Calls that are under way keep their sockets, and close them when they are done. */
function retire(agent: HttpAgent): void {
  agent.maxFreeSockets = 0;
  closeIdle(agent);
}

/** Says that it was the leader, and not the server that was asked. */
function leaderFailed(error: unknown, { address }: HcvConfig, { name, isUnderOwnCa }: Leader): BackendError {
  if (error instanceof BackendError) return error;
  const { code = 'an unknown error' } = error as NodeJS.ErrnoException;
  const hint =
    isUnderOwnCa && isAboutTrust(code)
      ? `; its certificate must be for that name and issued under the vault's ca_cert, or upstream_policy have a grant for hcv and ${name}`
      : '';
  return new BackendError(
    'unavailable',
    `the vault server ${shownUrl(address)} sends its callers to ${name}, which can't be reached (${code}${hint})`,
  );
}

function answerOf({ status, headers, body }: HttpAnswer): Answer {
  const text = body.toString('utf8');
  return {
    status,
    body: jsonObject(text),
    text,
    ...retryAfterOf(headers),
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
