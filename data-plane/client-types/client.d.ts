import { ClientError } from './client-error.ts';
import { type ConnectOptions } from './connect-options.ts';
import { type ClientState } from './pushed-values.ts';
import { Secret, type WatchEvent } from './secret.ts';
export { ClientError, type ClientErrorCode, DataPlaneUnreachable } from './client-error.ts';
export type { ConnectOptions } from './connect-options.ts';
export type { ClientState } from './pushed-values.ts';
export { Secret, type WatchEvent } from './secret.ts';
export { looksLikeWrongCredentials } from './wrong-credentials.ts';
/** References in whatever shape suits: one, a list, or an object of them. */
export type References = string | readonly string[] | Readonly<Record<string, string>>;
/** The values of references, in the same shape. */
export type Values<R extends References> = R extends string ? string : {
    -readonly [K in keyof R]: string;
};
export interface LookupOptions {
    /** Has the data plane ask the vault, whatever it holds. */
    refresh?: boolean;
    signal?: AbortSignal;
}
export interface WithSecretOptions {
    signal?: AbortSignal;
    /** What tells a failure that new credentials may mend; `looksLikeWrongCredentials` unless given. */
    isWrongCredentials?: (failure: unknown) => boolean;
}
/**
 * Secrets' values for this program, from the data plane on this machine. Nothing is connected before a value is asked
 * for; from then on the data plane pushes its rotations, and later lookups are answered from memory without a request.
 *
 * @example
 * const secrets = connect();
 * const password = await secrets.get('{vault://aws-sm-vault/db/password}');
 */
export declare function connect(options?: ConnectOptions): Client;
/** See `connect`. */
export declare class Client implements Disposable {
    #private;
    get state(): ClientState;
    get closed(): boolean;
    /** Calls the listener at every change of state. Returns what ends that. */
    onState(listener: (state: ClientState) => void): () => void;
    /** The value of a reference. @throws ClientError; the signal's reason */
    get(reference: string, options?: LookupOptions): Promise<string>;
    /** The value of a reference as bytes: those of a binary secret, the UTF-8 of a text. @throws as get */
    getBytes(reference: string, options?: LookupOptions): Promise<Buffer>;
    /**
     * The values of several references, in the shape that they are given in. All keys of one secret come from one version
     * of it.
     *
     * @throws ClientError of the first reference that can't be resolved; the signal's reason
     * @example
     * const { user, password } = await secrets.getMany({ user: '{vault://aws/db/user}', password: '{vault://aws/db/password}' });
     */
    getMany<const R extends References>(references: R, options?: LookupOptions): Promise<Values<R>>;
    /**
     * Everything about several references, in order: each one's secret, or the error that it has. One that can't be
     * resolved does not fail the others.
     *
     * @throws ClientError where the whole call failed: DataPlaneUnreachable, bad_token, too_large, …; the signal's reason
     */
    lookUp(references: readonly string[], { refresh, signal }?: LookupOptions): Promise<Array<Secret | ClientError>>;
    /**
     * Calls the listener with what each reference stands for now, and again whenever that changes: a rotation, another
     * state, an error, the end of one. Goes on, over restarts of the data plane, until the returned function is called, the
     * signal is aborted or the client closed; till then it keeps the process alive.
     */
    watch(references: string | readonly string[], listener: (event: WatchEvent, reference: string) => void, { signal }?: {
        signal?: AbortSignal;
    }): () => void;
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
    withSecret<const R extends References, T>(references: R, use: (values: Values<R>) => T | Promise<T>, { signal, isWrongCredentials }?: WithSecretOptions): Promise<T>;
    /** Ends every watch and every connection, and forgets all values. */
    close(): void;
    [Symbol.dispose](): void;
}
