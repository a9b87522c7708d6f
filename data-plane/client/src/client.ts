import { ClientError, type ClientErrorCode, DataPlaneUnreachable } from './client-error.ts';
import { type ConnectOptions, dataPlaneAt } from './connect-options.ts';
import type { Bytes, Signal } from './platform-types.ts';
import { type ClientState, PushedValues } from './pushed-values.ts';
import { Secret, type SecretBody, type WatchEvent } from './secret.ts';
import type { Transport } from './transport.ts';
import { looksLikeWrongCredentials } from './wrong-credentials.ts';

export { ClientError, type ClientErrorCode, DataPlaneUnreachable } from './client-error.ts';
export type { ConnectOptions } from './connect-options.ts';
export type { ClientState } from './pushed-values.ts';
export { Secret, type WatchEvent } from './secret.ts';
export { looksLikeWrongCredentials } from './wrong-credentials.ts';

/** References in whatever shape suits: one, a list, or an object of them. */
export type References = string | readonly string[] | Readonly<Record<string, string>>;

/** The values of references, in the same shape. */
export type Values<R extends References> = R extends string ? string : { -readonly [K in keyof R]: string };

export interface LookupOptions {
  /** Has the data plane ask the vault, whatever it holds. */
  refresh?: boolean;
  signal?: Signal;
}

export interface WithSecretOptions {
  signal?: Signal;
  /** What tells a failure that new credentials may mend; `looksLikeWrongCredentials` unless given. */
  isWrongCredentials?: (failure: unknown) => boolean;
}

/** Milliseconds that a lookup with a value to fall back on waits for the data plane. */
const FALLBACK_MS = 1000;
/** Milliseconds between tries while a data plane starts again. */
const RETRY_MS = { least: 25, most: 250 };

/**
 * Secrets' values for this program, from the data plane on this machine. Nothing is connected before a value is asked
 * for; from then on the data plane pushes its rotations, and later lookups are answered from memory without a request.
 *
 * @example
 * const secrets = connect();
 * const password = await secrets.get('{vault://aws-sm-vault/db/password}');
 */
export function connect(options: ConnectOptions = {}): Client {
  return new Client(options);
}

/** See `connect`. */
export class Client implements Disposable {
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #patienceMs: number;
  readonly #pushed: PushedValues;
  readonly #refreshes = new Map<string, Promise<Array<Secret | ClientError>>>();
  #closed = false;

  /** @internal Use `connect`. */
  constructor(options: ConnectOptions) {
    this.#transport = dataPlaneAt(options);
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#patienceMs = options.patienceMs ?? 3000;
    this.#pushed = new PushedValues(this.#transport, options.maxHeld ?? 1000);
  }

  get state(): ClientState {
    return this.#pushed.state;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Calls the listener at every change of state. Returns what ends that. */
  onState(listener: (state: ClientState) => void): () => void {
    return this.#pushed.onState(listener);
  }

  /** The value of a reference. @throws ClientError; the signal's reason */
  async get(reference: string, options: LookupOptions = {}): Promise<string> {
    return (await this.#secret(reference, options)).value;
  }

  /** The value of a reference as bytes: those of a binary secret, the UTF-8 of a text. @throws as get */
  async getBytes(reference: string, options: LookupOptions = {}): Promise<Bytes> {
    return (await this.#secret(reference, options)).bytes;
  }

  /**
   * The values of several references, in the shape that they are given in. All keys of one secret come from one version
   * of it.
   *
   * @throws ClientError of the first reference that can't be resolved; the signal's reason
   * @example
   * const { user, password } = await secrets.getMany({ user: '{vault://aws/db/user}', password: '{vault://aws/db/password}' });
   */
  async getMany<const R extends References>(references: R, options: LookupOptions = {}): Promise<Values<R>> {
    return shaped(references, await this.lookUp(listOf(references), options));
  }

  /**
   * Everything about several references, in order: each one's secret, or the error that it has. One that can't be
   * resolved does not fail the others.
   *
   * @throws ClientError where the whole call failed: DataPlaneUnreachable, bad_token, too_large, …; the signal's reason
   */
  async lookUp(
    references: readonly string[],
    { refresh = false, signal }: LookupOptions = {},
  ): Promise<Array<Secret | ClientError>> {
    this.#mustBeOpen();
    signal?.throwIfAborted();
    if (references.length === 0) return [];
    const inMemory = refresh ? null : this.#pushed.find(references, (held) => held.covered);
    if (inMemory) return inMemory;
    const now = Date.now();
    const fallback = refresh ? null : this.#pushed.find(references, (held) => held.isAllowedAt(now));
    try {
      return await (refresh ? this.#refresh(references, signal) : this.#ask(references, false, !!fallback, signal));
    } catch (error) {
      // The values may have been taken back meanwhile.
      if (error instanceof DataPlaneUnreachable && !this.#closed && fallback) {
        const still = this.#pushed.find(references, (held) => held.isAllowedAt(Date.now()));
        if (still) return still;
      }
      throw error;
    }
  }

  /**
   * Calls the listener with what each reference stands for now, and again whenever that changes: a rotation, another
   * state, an error, the end of one. Goes on, over restarts of the data plane, until the returned function is called, the
   * signal is aborted or the client closed; till then it keeps the process alive.
   */
  watch(
    references: string | readonly string[],
    listener: (event: WatchEvent, reference: string) => void,
    { signal }: { signal?: Signal } = {},
  ): () => void {
    this.#mustBeOpen();
    if (signal?.aborted) return () => {};
    const ends = listOf(references).map((reference) =>
      this.#pushed.listen(reference, (event) => listener(event, reference)),
    );
    const end = () => {
      signal?.removeEventListener('abort', end);
      for (const endOne of ends) endOne();
    };
    signal?.addEventListener('abort', end, { once: true });
    return end;
  }

  /**
   * Calls `use` with the values of references. Where it fails in a way that looks like wrong credentials (it throws such
   * an error, or gives a `Response` of status 401 or 403), the references are refreshed once, and if that gave other values
   * `use` is called again with them. Source: `kong.vault.try` of Kong's PDK.
   *
   * @returns what `use` gives
   * @throws what `use` throws; ClientError; the signal's reason
   * @example
   * const rows = await secrets.withSecret({ user, password }, (login) => query(login, 'SELECT 1'));
   */
  async withSecret<const R extends References, T>(
    references: R,
    use: (values: Values<R>) => T | Promise<T>,
    { signal, isWrongCredentials = looksLikeWrongCredentials }: WithSecretOptions = {},
  ): Promise<T> {
    const list = listOf(references);
    const first = await this.lookUp(list, { ...(signal && { signal }) });
    const values = shaped(references, first);
    let outcome: { result: T } | { error: unknown };
    try {
      const result = await use(values);
      // Not an error to `fetch`, but one to whoever sent a password.
      if (!(result instanceof Response)) return result;
      outcome = { result };
    } catch (error) {
      outcome = { error };
    }
    const failure = 'result' in outcome ? outcome.result : outcome.error;
    if (isWrongCredentials(failure) && !signal?.aborted) {
      const second = await this.#renewed(list, signal);
      if (second && differ(first, second)) {
        if (failure instanceof Response) await failure.body?.cancel();
        return use(shaped(references, second));
      }
    }
    if ('result' in outcome) return outcome.result;
    throw outcome.error;
  }

  /** Ends every watch and every connection, and forgets all values. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pushed.close();
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #secret(reference: string, options: LookupOptions): Promise<Secret> {
    if (!options.refresh && !options.signal?.aborted) {
      const secret = this.#pushed.covered(reference);
      if (secret) return secret;
    }
    const [found] = await this.lookUp([reference], options);
    if (found instanceof ClientError) throw found;
    return found!;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new ClientError('unavailable', 'this client has been closed');
  }

  /** Refreshes of the same references that are asked for at the same time are one. */
  #refresh(references: readonly string[], signal: AbortSignal | undefined): Promise<Array<Secret | ClientError>> {
    const key = JSON.stringify(references);
    let running = this.#refreshes.get(key);
    if (!running) {
      running = this.#ask(references, true, false, undefined).finally(() => this.#refreshes.delete(key));
      this.#refreshes.set(key, running);
    }
    return untilAborted(running, signal);
  }

  /** The values after a failed use: refreshed, or, where that is refused just now, as they are. Null: they can't be had. */
  async #renewed(
    references: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Array<Secret | ClientError> | null> {
    for (const refresh of [true, false]) {
      try {
        const found = await this.lookUp(references, { refresh, ...(signal && { signal }) });
        if (found.every((one) => one instanceof Secret)) return found;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
      }
    }
    return null;
  }

  async #ask(
    references: readonly string[],
    refresh: boolean,
    hasFallback: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Array<Secret | ClientError>> {
    const started = performance.now();
    const body = { references, ...(refresh && { refresh }) };
    const timeoutMs = hasFallback ? FALLBACK_MS : this.#timeoutMs;
    let pause = RETRY_MS.least;
    for (;;) {
      try {
        const answer = await this.#transport.json('POST', '/v1/resolve', { body, signal, timeoutMs, keepsAlive: true });
        return this.#take(references, answer);
      } catch (error) {
        const left = this.#patienceMs - (performance.now() - started);
        if (!(error instanceof DataPlaneUnreachable) || hasFallback || left <= pause || this.#closed) throw error;
        await untilAborted(new Promise((resolve) => setTimeout(resolve, pause)), signal);
        pause = Math.min(RETRY_MS.most, pause * 2);
      }
    }
  }

  #take(references: readonly string[], answer: unknown): Array<Secret | ClientError> {
    const { results } = answer as {
      results?: Array<SecretBody | { error: { code: ClientErrorCode; message: string } }>;
    };
    if (results?.length !== references.length)
      throw new ClientError('internal', 'the data plane gave another number of results than it was asked for');
    return results.map((result, index) => {
      const reference = references[index]!;
      if ('error' in result) return new ClientError(result.error.code, result.error.message, { reference });
      const secret = new Secret(result);
      if (!this.#closed) this.#pushed.keep(secret);
      return secret;
    });
  }
}

function listOf(references: References): readonly string[] {
  if (typeof references === 'string') return [references];
  return Array.isArray(references) ? references : Object.values(references);
}

/** @throws ClientError of the first that is one */
function shaped<R extends References>(references: R, found: ReadonlyArray<Secret | ClientError>): Values<R> {
  const values = found.map(valueOrThrow);
  if (typeof references === 'string') return values[0] as Values<R>;
  if (Array.isArray(references)) return values as Values<R>;
  return Object.fromEntries(Object.keys(references).map((name, index) => [name, values[index]])) as Values<R>;
}

function valueOrThrow(found: Secret | ClientError): string {
  if (found instanceof ClientError) throw found;
  return found.value;
}

function differ(before: ReadonlyArray<Secret | ClientError>, after: ReadonlyArray<Secret | ClientError>): boolean {
  return after.some((found, index) => valueOrThrow(found) !== valueOrThrow(before[index]!));
}

/** The promise's outcome, unless the signal is aborted first. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
