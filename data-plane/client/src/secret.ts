import { inspect } from 'node:util';
import type { ClientError } from './client-error.ts';
import type { Bytes } from './platform-types.ts';

/** What the data plane answers about one reference (specification.md §6, GET /v1/resolve). */
export interface SecretBody {
  reference: string;
  value: string;
  encoding?: 'base64';
  state: 'fresh' | 'stale' | 'resurrected';
  version: { id: string | null; stages: readonly string[] };
  vault: string;
  fetched_at: string;
  expires_at: string | null;
  config_version: number | null;
}

/** What a reference stands for. Printing it, or turning it into JSON, shows everything but the value. */
export class Secret {
  readonly reference: string;
  /** `base64` for a binary secret. */
  readonly encoding: 'base64' | undefined;
  /** `fresh`; `stale`: being fetched anew; `resurrected`: the vault could not be reached or refused, the last known value. */
  readonly state: 'fresh' | 'stale' | 'resurrected';
  /** The vault's own version; the id is null where the vault has none. */
  readonly version: { readonly id: string | null; readonly stages: readonly string[] };
  /** The vault's prefix. */
  readonly vault: string;
  readonly fetchedAt: Date;
  /** Until when the data plane counts the value as fresh; null: always, it does not rotate. */
  readonly expiresAt: Date | null;
  /** The version of the data plane's configuration. */
  readonly configVersion: number | null;
  readonly #body: SecretBody;

  constructor(body: SecretBody) {
    this.reference = body.reference;
    this.encoding = body.encoding;
    this.state = body.state;
    this.version = body.version;
    this.vault = body.vault;
    this.fetchedAt = new Date(body.fetched_at);
    this.expiresAt = body.expires_at === null ? null : new Date(body.expires_at);
    this.configVersion = body.config_version;
    this.#body = body;
  }

  get value(): string {
    return this.#body.value;
  }

  /** The value as bytes: those of a binary secret, the UTF-8 of a text. */
  get bytes(): Bytes {
    return Buffer.from(this.value, this.encoding ?? 'utf8');
  }

  /** As the data plane's API says it, the value too. */
  toBody(): SecretBody {
    return this.#body;
  }

  /** Whether another one says the same: state, version and value. */
  equals(other: Secret): boolean {
    return this.state === other.state && this.version.id === other.version.id && this.value === other.value;
  }

  toJSON(): object {
    const { reference, encoding, state, version, vault, fetchedAt, expiresAt, configVersion } = this;
    return { reference, encoding, state, version, vault, fetchedAt, expiresAt, configVersion };
  }

  /** @internal */
  [inspect.custom](): string {
    return `Secret ${JSON.stringify(this)}`;
  }
}

/** What a watch tells of a reference: its value, or why it has none. */
export type WatchEvent = Secret | ClientError;
