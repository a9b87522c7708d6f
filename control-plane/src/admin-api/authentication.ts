import { createHash, timingSafeEqual } from 'node:crypto';
import { StartError } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { foreignCaller } from '@vaultplane/platform/net/foreign-caller.ts';
import { type Address, isLoopback, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import { areLoopback, shownListens } from '@vaultplane/platform/settings/listen-setting.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { FastifyRequest } from 'fastify';
import { type Actor, ROLES, type Role } from '../store/audit-log.ts';
import type { Tokens } from '../store/tokens.ts';
import { FailedTries } from './failed-tries.ts';
import { forbidden, tooManyTries, unauthorized } from './kong-error.ts';

export interface AuthenticationOptions {
  tokens: Tokens;
  /** The setting admin_token. */
  adminToken: string | undefined;
  /** All addresses of the Admin API. */
  listen: readonly Address[];
  clock: Clock;
  log: Log;
}

/** Characters: as many have 128 random bits in base64. `openssl rand -base64 32` makes 44. */
const SHORT_TOKEN = 22;

/** Says who calls the Admin API, and whether they may. */
export class Authentication {
  readonly #tokens: Tokens;
  readonly #adminToken: Buffer | undefined;
  /** A short one is tried only as often as a wrong one may be: otherwise it could be guessed. */
  readonly #isShort: boolean;
  readonly #loopback: boolean;
  readonly #failedTries: FailedTries;
  /** By address: the last of its tries that is being looked at. */
  readonly #trying = new Map<string | null, Promise<unknown>>();
  readonly #log: Log;

  private constructor(options: AuthenticationOptions) {
    this.#tokens = options.tokens;
    this.#adminToken = options.adminToken === undefined ? undefined : digest(options.adminToken);
    this.#isShort = (options.adminToken?.length ?? 0) < SHORT_TOKEN;
    this.#loopback = areLoopback(options.listen);
    this.#failedTries = new FailedTries(options.clock);
    this.#log = options.log;
  }

  /** @throws StartError when anybody on the network could call without a token */
  static async create(options: AuthenticationOptions): Promise<Authentication> {
    if (options.adminToken === undefined && !(await options.tokens.any())) {
      const open = options.listen.find((address) => !isLoopback(address));
      if (open) {
        const address = shownAddress(open);
        throw new StartError(
          `admin_listen = ${address} can be reached from other machines and there is no token yet: set admin_token (auto makes one), or make one with \`vaultplane-cp token create --role admin\``,
        );
      }
      if (options.listen.length > 0)
        options.log.warn(
          { admin_listen: shownListens(options.listen) },
          'no admin_token and no tokens: every user of this machine may change the configuration; set admin_token = auto to have a token made',
        );
    }
    if (options.adminToken !== undefined && options.adminToken.length < SHORT_TOKEN) {
      options.log.warn({ characters: options.adminToken.length }, 'admin_token is short enough to be guessed');
    }
    return new Authentication(options);
  }

  /**
   * Who makes this request.
   *
   * @throws KongError 401 without a valid token; 429 for an address that tried many wrong ones; 403 for a browser's
   *   request from elsewhere; DatabaseUnavailable
   */
  async identify(request: FastifyRequest): Promise<Actor> {
    const remoteAddress = request.socket.remoteAddress ?? null;
    const token = tokenOf(request);
    if (token !== undefined) {
      const actor = await this.#whose(token, remoteAddress);
      if (actor) return { ...actor, remoteAddress };
      this.#failedTries.failed(remoteAddress);
      this.#log.warn({ ip: remoteAddress, request_id: request.id }, 'a wrong token for the Admin API');
      throw unauthorized('Invalid token');
    }
    // Every token may have been deleted since the start: then nobody gets in from elsewhere.
    if (this.#adminToken || !this.#loopback || (await this.#tokens.any())) {
      throw unauthorized('A token is required, as Kong-Admin-Token or Authorization: Bearer');
    }
    const refusal = foreignCaller(request.headers, request.protocol);
    if (refusal !== undefined) throw forbidden(`${refusal}; set admin_token = auto to use it so`);
    return { name: 'local', role: 'admin', remoteAddress };
  }

  /**
   * A token that is known is taken whatever else came from its address: wrong tokens of one program, or of an attacker
   * behind the same proxy, lock nobody out. Only tokens that are not known use up an address' tries.
   *
   * @returns undefined for a wrong one
   * @throws KongError 429; DatabaseUnavailable
   */
  async #whose(token: string, address: string | null): Promise<Pick<Actor, 'name' | 'role'> | undefined> {
    const isAdmin = this.#adminToken !== undefined && timingSafeEqual(digest(token), this.#adminToken);
    if (isAdmin && this.#isShort) this.#mayTry(address);
    if (isAdmin) return { name: 'admin_token', role: 'admin' };
    const known = (await this.#tokens.knows(token))
      ? await this.#tokens.verify(token)
      : await this.#tryInTurn(token, address);
    return known && { name: `token ${known.id}`, role: known.role };
  }

  #mayTry(address: string | null): void {
    const waitSeconds = this.#failedTries.waitSeconds(address);
    if (waitSeconds > 0) throw tooManyTries(waitSeconds);
  }

  /** Tokens that are not known are tried one after the other: many at once would all be tried before one has failed. */
  async #tryInTurn(token: string, address: string | null): ReturnType<Tokens['verify']> {
    this.#mayTry(address);
    const before = this.#trying.get(address) ?? Promise.resolve();
    const mine = before
      .catch(() => {})
      .then(() => {
        this.#mayTry(address);
        return this.#tokens.verify(token);
      });
    this.#trying.set(address, mine);
    try {
      return await mine;
    } finally {
      if (this.#trying.get(address) === mine) this.#trying.delete(address);
    }
  }
}

/** @throws KongError 403 */
export function requireRole(actor: Actor, role: Role): void {
  if (ROLES.indexOf(actor.role) < ROLES.indexOf(role)) throw forbidden(`This needs the role ${role}`);
}

function tokenOf(request: FastifyRequest): string | undefined {
  const { 'kong-admin-token': header, authorization } = request.headers;
  if (typeof header === 'string' && header !== '') return header;
  const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (authorization !== undefined && bearer === undefined) throw unauthorized('Only Authorization: Bearer is known');
  return bearer;
}

/** Digests have one length, so that comparing them tells nothing about that of a token. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
