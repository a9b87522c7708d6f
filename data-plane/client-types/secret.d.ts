import type { ClientError } from './client-error.ts';
/** What the data plane answers about one reference (specification.md §6, GET /v1/resolve). */
export interface SecretBody {
    reference: string;
    value: string;
    encoding?: 'base64';
    state: 'fresh' | 'stale' | 'resurrected';
    version: {
        id: string | null;
        stages: readonly string[];
    };
    vault: string;
    fetched_at: string;
    expires_at: string | null;
    config_version: number | null;
}
/** What a reference stands for. Printing it, or turning it into JSON, shows everything but the value. */
export declare class Secret {
    #private;
    readonly reference: string;
    /** `base64` for a binary secret. */
    readonly encoding: 'base64' | undefined;
    /** `fresh`; `stale`: being fetched anew; `resurrected`: the vault could not be reached or refused, the last known value. */
    readonly state: 'fresh' | 'stale' | 'resurrected';
    /** The vault's own version; the id is null where the vault has none. */
    readonly version: {
        readonly id: string | null;
        readonly stages: readonly string[];
    };
    /** The vault's prefix. */
    readonly vault: string;
    readonly fetchedAt: Date;
    /** Until when the data plane counts the value as fresh; null: always, it does not rotate. */
    readonly expiresAt: Date | null;
    /** The version of the data plane's configuration. */
    readonly configVersion: number | null;
    constructor(body: SecretBody);
    get value(): string;
    /** The value as bytes: those of a binary secret, the UTF-8 of a text. */
    get bytes(): Buffer;
    /** As the data plane's API says it, the value too. */
    toBody(): SecretBody;
    /** Whether another one says the same: state, version and value. */
    equals(other: Secret): boolean;
    toJSON(): object;
}
/** What a watch tells of a reference: its value, or why it has none. */
export type WatchEvent = Secret | ClientError;
