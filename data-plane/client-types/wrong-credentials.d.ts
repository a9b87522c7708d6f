/**
 * Whether a failure looks as if a secret was wrong or outdated: HTTP 401 or 403 (also as a `Response`), or what the usual
 * databases, brokers and services say to a wrong password; in the error itself, its causes, or what it gathers.
 */
export declare function looksLikeWrongCredentials(failure: unknown, depth?: number): boolean;
