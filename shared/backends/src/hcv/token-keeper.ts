import { inspect } from 'node:util';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { withinDeadline } from '../http/deadline.ts';
import { type Authentication, type Login, loginOf, refusalOf } from './authentication/authentication.ts';
import { credentialsRefused, type Forbidden } from './errors.ts';
import type { Server } from './server.ts';

export interface TokenKeeperOptions {
  authentication: Authentication;
  server: Server;
  log: Log;
  /** Milliseconds for one login, renewal or lookup. */
  deadline: number;
}

/** A token while it is used. */
interface Held {
  login: Login;
  /** Seconds; the longest that was granted at once. */
  wholeLife: number;
  /** By `performance.now()`; Infinity: it does not end. */
  endsAt: number;
  /** That it can't be renewed has been logged. */
  isToldOf: boolean;
}

/** Part of a token's life after which it is renewed. */
const RENEW_AFTER = 2 / 3;
/** A server that grants no more than this part of a whole life nears the token's greatest age: it is time for another. */
const WHOLE_LIFE = 1 / 2;
/** Of its whole life: what could not be renewed until then is replaced. */
const LAST_PART = 1 / 4;
const RETRY_MS = { least: 250, most: 10_000 };
/** After a refusal of what is shown it is not shown again for this long: servers lock out who fails often. */
const REFUSED_MS = { first: 1000, most: 60_000 };

/**
 * The token of one login, shared by all calls: renewed before it ends, had by another login where it can't be, and had
 * anew once where it was revoked. In memory alone.
 */
export class TokenKeeper {
  readonly #options: TokenKeeperOptions;
  readonly #stopped = new AbortController();
  #held: Held | null = null;
  #loggingIn: Promise<Held> | null = null;
  #lookingUp: { token: string; isGood: Promise<boolean> } | null = null;
  #cancelTimer = () => {};
  #refusal: { credential: string; error: BackendError; pause: number; until: number } | null = null;

  constructor(options: TokenKeeperOptions) {
    this.#options = options;
  }

  get authentication(): Authentication {
    return this.#options.authentication;
  }

  /** @throws BackendError */
  async token(): Promise<string> {
    const held = this.#held;
    if (held && performance.now() < held.endsAt) return held.login.token;
    return (await this.#logIn()).login.token;
  }

  /**
   * After a token was forbidden something: the token to try once more with, or undefined where the first is good and
   * merely not allowed this.
   *
   * @throws BackendError, with credentialsRefused where it is good no more and no other can be had
   */
  async tokenInsteadOf(token: string, forbidden: Forbidden): Promise<string | undefined> {
    const isStillHeld = () => this.#held === null || this.#held.login.token === token;
    if (isStillHeld() && (await this.#isGood(token, forbidden))) return undefined;
    const { authentication, server, log } = this.#options;
    if (!authentication.canLogInAnew) {
      throw credentialsRefused(`${server.target} refuses ${authentication.description}: it has ended or was revoked`);
    }
    if (this.#held?.login.token === token) {
      this.#forget();
      log.info({ server: server.target, method: authentication.method }, 'the token is good no more; logging in anew');
    }
    return this.token();
  }

  stop(): void {
    this.#stopped.abort();
    this.#forget();
  }

  #forget(): void {
    this.#cancelTimer();
    this.#held = null;
  }

  #logIn(): Promise<Held> {
    this.#loggingIn ??= this.#within('login', (signal) => this.#show(signal))
      .then((login) => this.#hold(login))
      .finally(() => {
        this.#loggingIn = null;
      });
    return this.#loggingIn;
  }

  /** Shows the credential, but for a while none that was refused just now. */
  async #show(signal: AbortSignal): Promise<Login> {
    const { authentication } = this.#options;
    const credential = await authentication.credential();
    const refusal = this.#refusal?.credential === credential ? this.#refusal : null;
    if (refusal && performance.now() < refusal.until) throw refusal.error;
    try {
      const login = await authentication.logIn(credential, signal);
      this.#refusal = null;
      return login;
    } catch (error) {
      if (error instanceof BackendError && error.credentialsRefused) {
        const pause = refusal ? Math.min(refusal.pause * 2, REFUSED_MS.most) : REFUSED_MS.first;
        this.#refusal = { credential, error, pause, until: performance.now() + pause };
      }
      throw error;
    }
  }

  #hold(login: Login): Held {
    const { leaseSeconds } = login;
    const endsAt = leaseSeconds === 0 ? Infinity : performance.now() + leaseSeconds * 1000;
    const held = { login, wholeLife: leaseSeconds, endsAt, isToldOf: false };
    if (this.#stopped.signal.aborted) return held;
    this.#held = held;
    if (leaseSeconds > 0) this.#renewIn(held, leaseSeconds * 1000 * RENEW_AFTER);
    return held;
  }

  #renewIn(held: Held, milliseconds: number): void {
    this.#cancelTimer();
    // A fleet that started together does not ask in step.
    const jittered = milliseconds * (0.9 + Math.random() * 0.1);
    this.#cancelTimer = systemClock.after(jittered, () => void this.#renew(held));
  }

  /** Never rejects: what fails is tried again for as long as the token lives. */
  async #renew(held: Held): Promise<void> {
    try {
      if (held.login.renewable && (await this.#extend(held))) return;
      await this.#replace(held, 'the server renews it no more');
    } catch (error) {
      const left = held.endsAt - performance.now();
      if (this.#held !== held || left <= 0) return;
      const reason = (error as Error).message;
      const isRevoked = (error as BackendError).credentialsRefused && held.login.renewable;
      // A server may also fail where a token has reached its greatest age: what can't be renewed is replaced in time.
      if (isRevoked || left < held.wholeLife * 1000 * LAST_PART) {
        await this.#replace(held, reason).catch(() => {});
      }
      if (this.#held !== held) return;
      this.#options.log.debug({ reason }, 'the token of a vault could not be renewed; that is tried again');
      this.#renewIn(held, Math.max(RETRY_MS.least, Math.min(RETRY_MS.most, left / 4)));
    }
  }

  /** @returns whether it lives on for long enough */
  async #extend(held: Held): Promise<boolean> {
    const { leaseSeconds } = await this.#within('renewal', (signal) => this.#renewed(held.login, signal));
    if (this.#held !== held) return true;
    // What ends does not become what lasts: 0 is less than a second here.
    held.endsAt = performance.now() + leaseSeconds * 1000;
    if (leaseSeconds <= held.wholeLife * WHOLE_LIFE) return false;
    held.wholeLife = Math.max(held.wholeLife, leaseSeconds);
    this.#renewIn(held, leaseSeconds * 1000 * RENEW_AFTER);
    return true;
  }

  async #replace(held: Held, reason: string): Promise<void> {
    const { authentication, server, log } = this.#options;
    if (authentication.canLogInAnew) await this.#logIn();
    else if (!held.isToldOf) {
      held.isToldOf = true;
      const endsInSeconds = Math.max(0, Math.round((held.endsAt - performance.now()) / 1000));
      const facts = { server: server.target, ends_in_s: endsInSeconds, reason };
      log.warn(facts, 'the token of a vault can not be renewed; give the vault another before it ends');
    }
  }

  async #renewed({ token }: Login, signal: AbortSignal): Promise<Login> {
    const { server } = this.#options;
    const subject = 'renewal of the token';
    const call = { operation: 'renew', subject, method: 'POST', path: 'auth/token/renew-self', token } as const;
    const answer = await server.ask({ ...call, body: {}, expected: [400, 403] }, signal);
    if (answer.status > 299) throw refusalOf(answer, subject, server.target);
    return loginOf(answer, subject, server.target);
  }

  /** Asked once for all calls that were forbidden something by one token at a time. */
  async #isGood(token: string, forbidden: Forbidden): Promise<boolean> {
    if (this.#lookingUp?.token !== token) {
      const isGood = this.#within('lookup', (signal) => this.#lookUp(token, signal)).finally(() => {
        if (this.#lookingUp?.isGood === isGood) this.#lookingUp = null;
      });
      this.#lookingUp = { token, isGood };
    }
    // A token may be good and not be allowed to look at itself: then the words of the refusal decide.
    return (await this.#lookingUp.isGood) || forbidden.isByPolicy;
  }

  async #lookUp(token: string, signal: AbortSignal): Promise<boolean> {
    const { server } = this.#options;
    const call = { operation: 'lookup', subject: 'lookup of the token', method: 'GET' } as const;
    const answer = await server.ask({ ...call, path: 'auth/token/lookup-self', token, expected: [403] }, signal);
    return answer.status < 300;
  }

  #within<T>(subject: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { server, deadline } = this.#options;
    return withinDeadline({ subject, target: server.target, deadline, signal: this.#stopped.signal }, work);
  }

  [inspect.custom](): string {
    return 'TokenKeeper(hidden)';
  }
}
