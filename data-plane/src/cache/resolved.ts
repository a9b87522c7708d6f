import { INSPECT } from '@vaultplane/model/values/secret-value.ts';
import type { Held } from './held.ts';
import type { State } from './lifecycle.ts';

/** What a reference stands for, now. Immutable. Printing it shows everything but the value. */
export interface Resolved {
  readonly reference: string;
  readonly value: string;
  readonly encoding?: 'base64' | undefined;
  readonly state: State;
  readonly version: { readonly id: string | null; readonly stages: readonly string[] };
  /** The vault's prefix. */
  readonly vault: string;
  /** Milliseconds since 1970, as `expiresAt`. */
  readonly fetchedAt: number;
  /** When the value is to be fetched anew; null: never, it does not rotate. */
  readonly expiresAt: number | null;
  /** The reading that held, as a reference. */
  readonly reading: string;
  /** What the vault itself says of the secret. */
  readonly secret: { readonly name: string; readonly arn: string | null; readonly createdAt: number | null };
}

export class ResolvedValue implements Resolved {
  readonly reference: string;
  readonly state: State;
  readonly vault: string;
  readonly reading: string;
  readonly #value: string;
  readonly #held: Held;
  readonly #ttl: number;

  constructor(facts: {
    reference: string;
    vault: string;
    reading: string;
    state: State;
    value: string;
    held: Held;
    /** Milliseconds. */
    ttl: number;
  }) {
    this.reference = facts.reference;
    this.vault = facts.vault;
    this.reading = facts.reading;
    this.state = facts.state;
    this.#value = facts.value;
    this.#held = facts.held;
    this.#ttl = facts.ttl;
  }

  get value(): string {
    return this.#value;
  }

  get encoding(): 'base64' | undefined {
    return this.#held.encoding;
  }

  get version(): { id: string | null; stages: readonly string[] } {
    return this.#held.facts.version;
  }

  get fetchedAt(): number {
    return this.#held.facts.wallFetchedAt;
  }

  get expiresAt(): number | null {
    return this.#ttl === 0 ? null : this.fetchedAt + this.#ttl;
  }

  get secret(): { name: string; arn: string | null; createdAt: number | null } {
    const { arn, createdAt } = this.#held.facts;
    return { name: this.#held.name, arn, createdAt };
  }

  toJSON(): object {
    const { reference, vault, reading, state, version, fetchedAt, expiresAt } = this;
    return { reference, vault, reading, state, version, fetchedAt, expiresAt };
  }

  [INSPECT](): string {
    return `Resolved ${JSON.stringify(this)}`;
  }
}

/** Of a binary secret whose bytes turned out to be text. */
export class DecodedValue extends ResolvedValue {
  override get encoding(): undefined {
    return undefined;
  }
}

/** Of a text that stands for bytes which are none. */
export class EncodedValue extends ResolvedValue {
  override get encoding(): 'base64' {
    return 'base64';
  }
}
